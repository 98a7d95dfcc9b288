use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

use super::*;
use crate::budget::{Amount, Category, LineId, Period, VersionId};

const HEADER: &str = "account_code,account_name,category,period,amount_sar,notes\n";

fn parsed(rows: &str) -> Result<Vec<NewLine>, Problems> {
    parse(format!("{HEADER}{rows}").as_bytes())
}

fn told(result: Result<Vec<NewLine>, Problems>) -> Vec<(Json, &'static str)> {
    let problems = result.expect_err("it has problems").into_vec();
    let told = problems.into_iter().map(|p| (json!(p.loc), p.kind));
    told.collect()
}

fn line(new: NewLine) -> Line {
    Line {
        id: LineId::new(uuid::Uuid::nil()),
        budget_version_id: VersionId::new(uuid::Uuid::nil()),
        account_code: new.account_code,
        account_name: new.account_name,
        category: new.category,
        period: new.period,
        amount_sar: new.amount_sar,
        notes: new.notes,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        updated_at: jiff::Timestamp::UNIX_EPOCH,
        created_by_id: None,
    }
}

#[test]
fn columns_are_found_by_name() {
    let csv = "\u{feff}period, amount_sar ,category,account_name,account_code\r\n\
               p1, 12.5 ,revenue_fees,\"Frais, \"\"divers\"\"\",708\r\n\
               \r\n\
               summer,-3,capex_it,  Serveurs ,2183\r\n";
    let lines = parse(csv.as_bytes()).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].account_code.as_str(), "708");
    assert_eq!(lines[0].account_name, "Frais, \"divers\"");
    assert_eq!(lines[0].amount_sar, Amount::from_halalas(1_250));
    assert_eq!(lines[0].notes, None);
    assert_eq!(lines[1].period, Period::Summer);
    assert_eq!(lines[1].account_name, "Serveurs");
    assert_eq!(lines[1].category, Category::CapexIt);
}

#[test]
fn every_bad_row_is_told_with_its_number() {
    let problems = told(parsed(
        "641,Salaires,personnel_teaching,p1,1.00,\n\
         6,Salaires,personnel_teaching,p1,1.00,\n\
         641,,personnel,P1,\"1,00\",\n\
         641,Salaires,personnel_teaching,p1,1.00\n\
         641,Salaires,personnel_teaching,p1,1.001,\0\n",
    ));
    let at = |row: usize, column: &str, kind| (json!(["body", "row", row, column]), kind);
    assert_eq!(
        problems,
        [
            at(2, "account_code", "string_pattern_mismatch"),
            at(3, "account_name", "missing"),
            at(3, "category", "enum"),
            at(3, "period", "enum"),
            at(3, "amount_sar", "decimal_parsing"),
            (json!(["body", "row", 4]), "row_length"),
            at(5, "amount_sar", "decimal_max_places"),
            at(5, "notes", "value_error"),
        ]
    );
}

#[test]
fn a_header_must_name_the_columns() {
    let at = |name: &str, kind| (json!(["body", "header", name]), kind);
    assert_eq!(
        told(parse(
            b"account_code,account_name,period,amount_sar,period,Category\n"
        )),
        [
            at("period", "duplicate"),
            at("Category", "extra_forbidden"),
            at("category", "missing"),
        ]
    );
    let empty = told(parse(b""));
    assert_eq!(empty.len(), 5, "{empty:?}");
    assert_eq!(empty[0], at("account_code", "missing"));
    assert_eq!(told(parsed("")), [(json!(["body"]), "too_short")]);
}

#[test]
fn another_separator_is_called_by_its_name() {
    let place = json!(["body", "header"]);
    for (separator, name) in [(";", "semicolons"), ("\t", "tabs")] {
        let file = format!("{HEADER}641,a,capex_it,p1,1,\n").replace(',', separator);
        let problems = parse(file.as_bytes()).unwrap_err().into_vec();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(json!(problems[0].loc), place);
        assert!(problems[0].msg.ends_with(name), "{}", problems[0].msg);
    }
}

#[test]
fn a_quote_that_is_never_closed_swallows_no_rows() {
    let swallowing = "641,a,capex_it,p1,1,\n642,a,capex_it,p1,1,\"x\n643,a,capex_it,p1,1,\n";
    let problems = told(parsed(swallowing));
    assert_eq!(problems, [(json!(["body", "row", 2]), "unclosed_quote")]);
    for end in ["\"x\"", "\"x\"\r\n\r\n", "5\"", "\"x\"\"\"", "\"x\ny\"\n"] {
        for mark in ["", "\u{feff}"] {
            let file = format!("{mark}{HEADER}641,a,capex_it,p1,1,{end}");
            assert_eq!(parse(file.as_bytes()).unwrap().len(), 1, "{file:?}");
        }
    }
}

#[test]
fn what_is_not_utf_8_is_refused_where_it_stands() {
    let csv = [
        HEADER.as_bytes(),
        b"641,Sal\xe9s,personnel_admin,p1,1,\n641,Salaires,personnel_admin,p1,1,\n",
    ];
    let problems = told(parse(&csv.concat()));
    let place = json!(["body", "row", 1, "account_name"]);
    assert_eq!(problems, [(place, "string_unicode")]);
    let latin = told(parse(b"p\xe9riode\n"));
    assert_eq!(latin[0].0, json!(["body", "header", "p\u{fffd}riode"]));
}

#[test]
fn a_file_is_bounded_and_so_is_what_is_told_of_it() {
    let row = "641,Salaires,personnel_teaching,p1,1.00,\n";
    let most = row.repeat(MAXIMUM_LINES);
    assert_eq!(parsed(&most).unwrap().len(), MAXIMUM_LINES);
    let problems = told(parsed(&(most + row)));
    assert_eq!(problems, [(json!(["body"]), "too_long")]);

    // No bad row goes untold, and no file is answered with more than it holds.
    let bad = "6,S,personnel_teaching,p9,1,\n".repeat(MAXIMUM_LINES);
    let problems = parsed(&bad).unwrap_err().into_vec();
    assert_eq!(problems.len(), 500 + MAXIMUM_LINES + 1);
    let (last, rows) = problems.split_last().unwrap();
    assert_eq!(last.msg, "There are 99500 more problems");
    let told: BTreeSet<_> = rows.iter().map(|row| json!(row.loc)[2].as_u64()).collect();
    assert_eq!(told.len(), MAXIMUM_LINES);
}

#[test]
fn a_formula_stays_the_text_that_it_is() {
    let lines = parsed("641,=1+1,personnel_admin,p1,1,@x\n").unwrap();
    let written = rows(&lines.into_iter().map(line).collect::<Vec<_>>()).unwrap();
    assert_eq!(written, b"641,=1+1,personnel_admin,p1,1.00,@x\r\n");
    assert_eq!(header().unwrap(), HEADER.replace('\n', "\r\n").as_bytes());
}

proptest! {
    #[test]
    fn what_is_written_can_be_read_again(
        lines in prop::collection::vec(
            (
                "[0-9]{2,10}",
                "[^\0]{1,30}|[a-z\"',;\r\n =+-]{1,30}",
                select(Category::ALL),
                select(Period::ALL),
                -999_999_999_999_999_i64..=999_999_999_999_999,
                prop::option::of("[^\0]{1,30}|[\"',;\r\n =]{1,9}"),
            ),
            1..20,
        )
    ) {
        let lines: Vec<NewLine> = lines
            .into_iter()
            .map(|(code, name, category, period, halalas, notes)| NewLine {
                account_code: code.parse().unwrap(),
                account_name: format!("n{name}").trim().to_owned(),
                category,
                period,
                amount_sar: Amount::from_halalas(halalas),
                notes,
            })
            .collect();
        let stored: Vec<Line> = lines.iter().cloned().map(line).collect();
        let (first, rest) = stored.split_at(stored.len() / 2);
        let file = [header().unwrap(), rows(first).unwrap(), rows(rest).unwrap()].concat();
        prop_assert_eq!(parse(&file).unwrap(), lines);
    }

    #[test]
    fn no_file_is_too_strange_to_be_answered(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut file = HEADER.as_bytes().to_vec();
        for file in [bytes.clone(), { file.extend(bytes); file }] {
            if let Err(problems) = parse(&file) {
                prop_assert!(!problems.into_vec().is_empty());
            }
        }
    }
}
