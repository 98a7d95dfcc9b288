use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::budget::consolidation::tests::{
    aggregates, category_sums, halalas, line, lines, naive, version,
};
use crate::budget::{Category, NewLine, Period, path_period};

#[test]
fn a_period_is_written_as_the_client_knows_it() {
    let lines = [
        line("701", "Écolage", Category::RevenueTuition, 1_000),
        line("641", "Salaires", Category::PersonnelTeaching, 300),
        line("606", "Fournitures", Category::OperatingSupplies, 50),
        line("218", "Ordinateurs", Category::CapexIt, 7),
    ];
    let version = version("Budget");
    let all = PeriodStatement::all(version.id, &category_sums(&lines));
    let statement = |period: &str, [revenue, expenses, result]: [&str; 3]| {
        json!({
            "budget_version_id": version.id, "period": period, "total_revenue": revenue,
            "total_expenses": expenses, "operating_result": result, "net_result": result,
        })
    };
    assert_eq!(
        serde_json::to_value(&all).unwrap(),
        json!([
            statement("p1", ["10.00", "3.50", "6.50"]),
            statement("summer", ["0.00", "0.00", "0.00"]),
            statement("p2", ["0.00", "0.00", "0.00"]),
            statement("annual", ["10.00", "3.50", "6.50"]),
        ])
    );
}

#[test]
fn a_period_in_a_path_is_one_that_there_is() {
    assert_eq!(path_period("annual"), Ok(StatementPeriod::Annual));
    let problem = path_period("winter").unwrap_err();
    assert_eq!(json!(problem.loc), json!(["path", "period"]));
    assert_eq!(
        problem.msg,
        "Input should be 'p1', 'summer', 'p2' or 'annual'"
    );
}

#[test]
fn an_income_statement_reads_from_top_to_bottom() {
    let lines = [
        line("708", "Cantine", Category::RevenueFees, 20),
        line("701", "Écolage", Category::RevenueTuition, 1_000),
        line("641", "Salaires", Category::PersonnelTeaching, 300),
        line("218", "Ordinateurs", Category::CapexIt, 7),
    ];
    let statement = IncomeStatement::new(&version("Budget"), aggregates(&lines));
    let shown: Vec<String> = statement
        .lines
        .iter()
        .map(|line| {
            let indent = "  ".repeat(line.indent_level.into());
            let code = line.line_code.as_ref().map_or("", AccountCode::as_str);
            let amount = line.amount_sar.map(|amount| amount.to_string());
            let amount = amount.unwrap_or_default();
            let (number, kind, label) = (line.line_number, line.line_type, &line.line_description);
            format!("{number} {kind}: {indent}{code}|{label}|{amount}")
        })
        .collect();
    assert_eq!(
        shown,
        [
            "1 section_header: |Revenue|",
            "2 account_line:   701|Écolage|10.00",
            "3 account_line:   708|Cantine|0.20",
            "4 subtotal: |Total revenue|10.20",
            "5 section_header: |Personnel costs|",
            "6 account_line:   641|Salaires|3.00",
            "7 subtotal: |Total personnel costs|3.00",
            "8 section_header: |Operating costs|",
            "9 subtotal: |Total operating costs|0.00",
            "10 subtotal: |Total expenses|3.00",
            "11 total: |Operating result|7.20",
            "12 total: |Net result|7.20",
        ]
    );
    assert_eq!(
        serde_json::to_value(&statement.lines[0]).unwrap(),
        json!({
            "line_number": 1, "line_type": "section_header", "indent_level": 0,
            "line_code": null, "line_description": "Revenue", "amount_sar": null,
        })
    );
}

proptest! {
    #[test]
    fn a_period_is_what_adding_by_hand_gives(lines in lines()) {
        let id = version("Budget").id;
        let sums = category_sums(&lines);
        for (period, own) in [
            (StatementPeriod::P1, Some(Period::P1)),
            (StatementPeriod::Summer, Some(Period::Summer)),
            (StatementPeriod::P2, Some(Period::P2)),
            (StatementPeriod::Annual, None),
        ] {
            let statement = PeriodStatement::new(id, period, &sums);
            let of = |sections: &[Section]| {
                naive(&lines, |line: &NewLine| {
                    own.is_none_or(|own| line.period == own)
                        && sections.contains(&line.category.section())
                })
            };
            let (revenue, expenses) = (of(&[Section::Revenue]), of(&[Section::Personnel, Section::Operating]));
            prop_assert_eq!(halalas(statement.total_revenue), revenue);
            prop_assert_eq!(halalas(statement.total_expenses), expenses);
            prop_assert_eq!(halalas(statement.operating_result), revenue - expenses);
            prop_assert_eq!(halalas(statement.net_result), revenue - expenses);
        }
    }

    #[test]
    fn the_year_is_its_periods_added_up(lines in lines()) {
        let all = PeriodStatement::all(version("Budget").id, &category_sums(&lines));
        let [p1, summer, p2, annual] = &all[..] else {
            panic!("four statements");
        };
        for of in [
            |statement: &PeriodStatement| statement.total_revenue,
            |statement: &PeriodStatement| statement.total_expenses,
            |statement: &PeriodStatement| statement.operating_result,
            |statement: &PeriodStatement| statement.net_result,
        ] {
            prop_assert_eq!(of(annual), of(p1) + of(summer) + of(p2));
        }
    }

    #[test]
    fn account_lines_add_up_to_their_subtotal(lines in lines()) {
        let statement = IncomeStatement::new(&version("Budget"), aggregates(&lines));
        let mut sum = Amount::ZERO;
        let mut checked = 0;
        for (index, line) in statement.lines.iter().enumerate() {
            prop_assert_eq!(line.line_number, index + 1);
            match (line.line_type, line.amount_sar) {
                (LineType::SectionHeader, None) => sum = Amount::ZERO,
                (LineType::AccountLine, Some(amount)) => sum += amount,
                (LineType::Subtotal, Some(amount)) if checked < 3 => {
                    prop_assert_eq!(amount, sum);
                    checked += 1;
                }
                (LineType::Subtotal | LineType::Total, Some(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(checked, 3);
        let capex = naive(&lines, |line| line.category.section() == Section::Capex);
        let last = statement.lines.last().and_then(|line| line.amount_sar).unwrap();
        let revenue = naive(&lines, |line| line.category.is_revenue());
        let all = naive(&lines, |_| true);
        prop_assert_eq!(halalas(last), revenue - (all - revenue - capex));
    }
}
