use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::budget::NewLine;
use crate::budget::consolidation::tests::{aggregates, halalas, line, lines, naive, version};

fn compare(base: &[NewLine], other: &[NewLine]) -> Comparison {
    Comparison::new(
        (&version("Base"), aggregates(base)),
        (&version("Other"), aggregates(other)),
    )
}

fn percent(base: i64, other: i64) -> Option<String> {
    let of = Amount::from_halalas;
    let difference = Difference::new(of(base), of(other));
    difference.variance_pct.map(|percent| percent.to_string())
}

#[test]
fn a_comparison_is_written_with_both_amounts() {
    let base = [
        line("701", "Écolage", Category::RevenueTuition, 20_000),
        line("641", "Salaires", Category::PersonnelTeaching, 5_000),
    ];
    let other = [
        line("701", "Frais", Category::RevenueTuition, 25_000),
        line("606", "Fournitures", Category::OperatingSupplies, 300),
    ];
    let json = serde_json::to_value(compare(&base, &other)).unwrap();
    assert_eq!(json["base"]["budget_version_name"], "Base");
    assert_eq!(json["other"]["budget_version_name"], "Other");
    assert_eq!(
        json["items"],
        json!([
            {
                "account_code": "701", "account_name": "Écolage",
                "consolidation_category": "revenue_tuition", "is_revenue": true,
                "base_amount": "200.00", "other_amount": "250.00",
                "variance": "50.00", "variance_pct": "25.00",
            },
            {
                "account_code": "641", "account_name": "Salaires",
                "consolidation_category": "personnel_teaching", "is_revenue": false,
                "base_amount": "50.00", "other_amount": "0.00",
                "variance": "-50.00", "variance_pct": "-100.00",
            },
            {
                "account_code": "606", "account_name": "Fournitures",
                "consolidation_category": "operating_supplies", "is_revenue": false,
                "base_amount": "0.00", "other_amount": "3.00",
                "variance": "3.00", "variance_pct": null,
            },
        ])
    );
    assert_eq!(
        json["totals"]["net_result"],
        json!({
            "base_amount": "150.00", "other_amount": "247.00",
            "variance": "97.00", "variance_pct": "64.67",
        })
    );
    assert_eq!(json["totals"].as_object().unwrap().len(), 6);
}

#[test]
fn a_percentage_has_two_decimals_and_the_sign_of_the_variance() {
    assert_eq!(percent(100, 150).as_deref(), Some("50.00"));
    assert_eq!(percent(300, 400).as_deref(), Some("33.33"));
    assert_eq!(percent(-100, 50).as_deref(), Some("150.00"));
    assert_eq!(percent(-100, -150).as_deref(), Some("-50.00"));
    assert_eq!(percent(100, 100).as_deref(), Some("0.00"));
    // Half a hundredth is rounded away from zero, less is nothing.
    assert_eq!(percent(20_000, 20_001).as_deref(), Some("0.01"));
    assert_eq!(percent(20_000, 19_999).as_deref(), Some("-0.01"));
    assert_eq!(percent(1_000_000, 999_999).as_deref(), Some("0.00"));
    assert_eq!(percent(0, 1), None);
    assert_eq!(percent(0, 0), None);
    let largest = 999_999_999_999_999;
    assert_eq!(percent(1, largest).as_deref(), Some("99999999999999800.00"));
}

proptest! {
    #[test]
    fn a_comparison_is_what_comparing_by_hand_gives(base in lines(), other in lines()) {
        let comparison = compare(&base, &other);
        for item in &comparison.items {
            let belongs = |line: &NewLine| {
                (&line.account_code, line.category)
                    == (&item.account_code, item.consolidation_category)
            };
            let (before, after) = (naive(&base, belongs), naive(&other, belongs));
            prop_assert_eq!(halalas(item.difference.base_amount), before);
            prop_assert_eq!(halalas(item.difference.other_amount), after);
            prop_assert_eq!(halalas(item.difference.variance), after - before);
            prop_assert_eq!(item.difference.variance_pct.is_none(), before == 0);
            if let Some(Percent(percent)) = item.difference.variance_pct {
                // In hundredths of a percent, rounded half away from zero.
                let exact = (after - before) * 10_000 * 2;
                let rounded = (exact.abs() / before.abs() + 1) / 2 * exact.signum();
                prop_assert_eq!(percent.mantissa(), rounded);
                prop_assert_eq!(percent.scale(), 2);
            }
            let named = if base.iter().any(belongs) { &base } else { &other };
            let name = named.iter().filter(|line| belongs(line)).map(|line| &line.account_name).min();
            prop_assert_eq!(Some(&item.account_name), name);
        }
        let keys = |lines: &[NewLine]| -> Vec<_> {
            lines.iter().map(|line| (line.account_code.clone(), line.category)).collect()
        };
        let mut expected = keys(&base);
        expected.extend(keys(&other));
        expected.sort_by_key(|(code, category)| (category.section(), code.clone(), *category));
        expected.dedup();
        let found = comparison.items.iter();
        let found: Vec<_> = found.map(|item| (item.account_code.clone(), item.consolidation_category)).collect();
        prop_assert_eq!(found, expected);

        let revenue = comparison.totals.total_revenue;
        let is_revenue = |line: &NewLine| line.category.is_revenue();
        prop_assert_eq!(halalas(revenue.base_amount), naive(&base, is_revenue));
        prop_assert_eq!(halalas(revenue.other_amount), naive(&other, is_revenue));
    }

    #[test]
    fn turned_round_only_the_sign_changes(base in lines(), other in lines()) {
        let (there, back) = (compare(&base, &other), compare(&other, &base));
        prop_assert_eq!(there.items.len(), back.items.len());
        for (there, back) in there.items.iter().zip(&back.items) {
            prop_assert_eq!(there.difference.variance + back.difference.variance, Amount::ZERO);
        }
        for item in compare(&base, &base).items {
            prop_assert!(item.difference.variance.is_zero());
        }
    }
}
