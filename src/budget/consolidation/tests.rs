use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::budget::{NewLine, OrganizationId, RevisionToken};

pub(in crate::budget) fn version(name: &str) -> Version {
    let at = jiff::Timestamp::UNIX_EPOCH;
    Version {
        id: VersionId::new(uuid::Uuid::from_u128(7)),
        organization_id: OrganizationId::SINGLE,
        name: name.to_owned(),
        fiscal_year: 2026,
        academic_year: "2025-2026".to_owned(),
        notes: None,
        status: VersionStatus::Working,
        is_baseline: false,
        parent_version_id: None,
        submitted_at: None,
        submitted_by_id: None,
        approved_at: None,
        approved_by_id: None,
        created_at: at,
        updated_at: at,
        revision_token: RevisionToken::new(uuid::Uuid::nil()),
    }
}

pub(in crate::budget) fn line(code: &str, name: &str, category: Category, halalas: i64) -> NewLine {
    NewLine {
        account_code: code.parse().unwrap(),
        account_name: name.to_owned(),
        category,
        period: Period::P1,
        amount_sar: Amount::from_halalas(halalas),
        notes: None,
    }
}

/// Any lines, with few enough accounts that many share one.
pub(in crate::budget) fn lines() -> impl Strategy<Value = Vec<NewLine>> {
    let line = (
        select(vec!["64", "641", "6411", "70", "701", "21"]),
        select(vec!["Salaires", "Écolage", "Divers", "divers"]),
        select(Category::ALL),
        select(Period::ALL),
        -999_999_999_999_999_i64..=999_999_999_999_999,
    )
        .prop_map(|(code, name, category, period, halalas)| NewLine {
            period,
            ..line(code, name, category, halalas)
        });
    prop::collection::vec(line, 0..40)
}

/// What the database makes of lines, a row for each name.
pub(in crate::budget) fn aggregates(lines: &[NewLine]) -> Vec<Aggregate> {
    let mut rows: Vec<Aggregate> = Vec::new();
    for line in lines {
        let same = rows.iter_mut().find(|row| {
            (
                &row.account_code,
                &row.account_name,
                row.category,
                row.period,
            ) == (
                &line.account_code,
                &line.account_name,
                line.category,
                line.period,
            )
        });
        match same {
            Some(row) => {
                row.sum += line.amount_sar;
                row.count += 1;
            }
            None => rows.push(Aggregate {
                account_code: line.account_code.clone(),
                account_name: line.account_name.clone(),
                category: line.category,
                period: line.period,
                sum: line.amount_sar,
                count: 1,
            }),
        }
    }
    rows
}

pub(in crate::budget) fn category_sums(lines: &[NewLine]) -> Vec<CategorySum> {
    let sum = |line: &NewLine| CategorySum {
        category: line.category,
        period: line.period,
        sum: line.amount_sar,
    };
    lines.iter().map(sum).collect()
}

/// The sum in halalas, straight from the lines.
pub(in crate::budget) fn naive(lines: &[NewLine], is_counted: impl Fn(&NewLine) -> bool) -> i128 {
    let counted = lines.iter().filter(|line| is_counted(line));
    counted
        .map(|line| line.amount_sar.decimal().mantissa())
        .sum()
}

pub(in crate::budget) fn halalas(amount: Amount) -> i128 {
    assert_eq!(amount.decimal().scale(), 2);
    amount.decimal().mantissa()
}

#[test]
fn a_consolidation_is_written_as_the_client_knows_it() {
    let lines = [
        line("701", "Écolage", Category::RevenueTuition, 4_567_800_000),
        line(
            "641",
            "Salaires",
            Category::PersonnelTeaching,
            3_000_000_050,
        ),
        line("641", "Salaires", Category::PersonnelTeaching, 50),
        line("606", "Fournitures", Category::OperatingSupplies, 100),
        line("218", "Ordinateurs", Category::CapexIt, 900),
    ];
    let consolidation = Consolidation::new(&version("Budget"), aggregates(&lines));
    let item = |code: &str, name: &str, category: &str, amount: &str, count: u64| {
        json!({
            "account_code": code, "account_name": name, "consolidation_category": category,
            "is_revenue": category.starts_with("revenue"), "amount_sar": amount, "source_count": count,
        })
    };
    assert_eq!(
        serde_json::to_value(&consolidation).unwrap(),
        json!({
            "budget_version_id": "00000000-0000-0000-0000-000000000007",
            "budget_version_name": "Budget",
            "fiscal_year": 2026,
            "academic_year": "2025-2026",
            "status": "working",
            "revenue_items": [item("701", "Écolage", "revenue_tuition", "45678000.00", 1)],
            "personnel_items": [item("641", "Salaires", "personnel_teaching", "30000001.00", 2)],
            "operating_items": [item("606", "Fournitures", "operating_supplies", "1.00", 1)],
            "capex_items": [item("218", "Ordinateurs", "capex_it", "9.00", 1)],
            "total_revenue": "45678000.00",
            "total_personnel_costs": "30000001.00",
            "total_operating_costs": "1.00",
            "total_capex": "9.00",
            "operating_result": "15677998.00",
            "net_result": "15677998.00",
        })
    );
}

#[test]
fn a_summary_is_the_totals_alone() {
    let lines = [line("701", "Écolage", Category::RevenueFees, 250)];
    let summary = Summary::new(&version("Budget"), &category_sums(&lines));
    assert_eq!(
        serde_json::to_value(&summary).unwrap(),
        json!({
            "budget_version_id": "00000000-0000-0000-0000-000000000007",
            "budget_version_name": "Budget",
            "fiscal_year": 2026,
            "academic_year": "2025-2026",
            "status": "working",
            "total_revenue": "2.50",
            "total_personnel_costs": "0.00",
            "total_operating_costs": "0.00",
            "total_capex": "0.00",
            "operating_result": "2.50",
            "net_result": "2.50",
        })
    );
}

#[test]
fn accounts_stand_in_the_order_of_the_chart() {
    let lines = ["70", "7011", "701", "71"].map(|code| line(code, "n", Category::RevenueOther, 1));
    let consolidation = Consolidation::new(&version("Budget"), aggregates(&lines));
    let codes = consolidation.revenue_items.iter();
    let codes: Vec<&str> = codes.map(|item| item.account_code.as_str()).collect();
    assert_eq!(codes, ["70", "701", "7011", "71"]);
}

#[test]
fn an_account_under_several_names_is_one_item() {
    let lines = ["Salaires", "Salaire", "Traitements"]
        .map(|name| line("641", name, Category::PersonnelAdmin, 1));
    let items = items(aggregates(&lines));
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].account_name, "Salaire");
    assert_eq!(items[0].source_count, 3);
}

proptest! {
    #[test]
    fn a_consolidation_is_what_adding_by_hand_gives(lines in lines()) {
        let view = Consolidation::new(&version("Budget"), aggregates(&lines));
        let sections = [
            (Section::Revenue, &view.revenue_items, view.totals.total_revenue),
            (Section::Personnel, &view.personnel_items, view.totals.total_personnel_costs),
            (Section::Operating, &view.operating_items, view.totals.total_operating_costs),
            (Section::Capex, &view.capex_items, view.totals.total_capex),
        ];
        for (section, items, total) in sections {
            let expected = naive(&lines, |line| line.category.section() == section);
            prop_assert_eq!(halalas(total), expected);
            prop_assert_eq!(halalas(items.iter().map(|item| item.amount_sar).sum()), expected);
            prop_assert!(items.is_sorted_by_key(|item| (&item.account_code, item.consolidation_category)));
            for item in items {
                prop_assert_eq!(item.consolidation_category.section(), section);
                prop_assert_eq!(item.is_revenue, section == Section::Revenue);
                let belongs = |line: &NewLine| {
                    (&line.account_code, line.category)
                        == (&item.account_code, item.consolidation_category)
                };
                prop_assert_eq!(halalas(item.amount_sar), naive(&lines, belongs));
                let sources: Vec<_> = lines.iter().filter(|line| belongs(line)).collect();
                prop_assert_eq!(item.source_count, sources.len() as u64);
                let first = sources.iter().map(|line| &line.account_name).min();
                prop_assert_eq!(Some(&item.account_name), first);
            }
        }
        // Every line is counted once.
        let all = sections.iter().flat_map(|(_, items, _)| items.iter());
        prop_assert_eq!(all.map(|item| item.source_count).sum::<u64>(), lines.len() as u64);

        let result = naive(&lines, |line| line.category.section() == Section::Revenue)
            - naive(&lines, |line| {
                matches!(line.category.section(), Section::Personnel | Section::Operating)
            });
        prop_assert_eq!(halalas(view.totals.operating_result), result);
        prop_assert_eq!(view.totals.net_result, view.totals.operating_result);

        let summary = Summary::new(&version("Budget"), &category_sums(&lines));
        prop_assert_eq!(summary.totals, view.totals);
    }

    #[test]
    fn the_order_of_lines_does_not_matter(lines in lines().prop_shuffle(), by in 0..40_usize) {
        let mut turned = lines.clone();
        turned.rotate_left(by.min(lines.len()));
        let view = |lines: &[NewLine]| Consolidation::new(&version("Budget"), aggregates(lines));
        prop_assert_eq!(view(&lines), view(&turned));
    }
}
