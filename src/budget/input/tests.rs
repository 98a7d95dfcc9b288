use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::budget::{
    ComparisonQuery, LineQuery, NewLine, NewLines, NewVersion, Paging, Period, Problems,
    VersionChange, VersionId, VersionQuery, VersionStatus,
};

/// What is wrong, as it is told, without the words for people.
fn told<T: std::fmt::Debug>(result: Result<T, Problems>) -> Vec<(Json, String)> {
    let problems = result.expect_err("it has problems").into_vec();
    let one = |problem: Problem| (json!(problem.loc), problem.kind.to_owned());
    problems.into_iter().map(one).collect()
}

fn refused(field: &str, value: &Json) -> String {
    let mut line = json!({
        "account_code": "641", "account_name": "Salaires", "category": "personnel_teaching",
        "period": "p1", "amount_sar": "1.00",
    });
    line[field] = value.clone();
    let mut problems = told(NewLines::from_json(line.to_string().as_bytes()));
    assert_eq!(problems.len(), 1, "{field}: {value}");
    let (loc, kind) = problems.remove(0);
    assert_eq!(loc, json!(["body", field]));
    kind
}

#[test]
fn a_problem_has_the_shape_that_the_client_knows() {
    let problems = NewVersion::from_json(br#"{"fiscal_year": 2026}"#).unwrap_err();
    assert_eq!(
        serde_json::to_string(&problems.into_vec()).unwrap(),
        r#"[{"loc":["body","name"],"msg":"Field required","type":"missing"}]"#
    );
}

#[test]
fn every_problem_of_a_body_is_told_at_once() {
    let body = br#"{"name": " ", "fiscal_year": 2019.5, "is_baseline": 1, "color": "red",
        "parent_version_id": "x", "notes": 3, "academic_year": "2025-2026 and then some"}"#;
    let at = |field: &str, kind: &str| (json!(["body", field]), kind.to_owned());
    assert_eq!(
        told(NewVersion::from_json(body)),
        [
            at("name", "string_too_short"),
            at("fiscal_year", "int_from_float"),
            at("academic_year", "string_too_long"),
            at("notes", "string_type"),
            at("is_baseline", "bool_type"),
            at("parent_version_id", "uuid_parsing"),
            at("color", "extra_forbidden"),
        ]
    );
}

#[test]
fn each_field_of_a_line_has_its_rules() {
    for (field, value, kind) in [
        ("account_code", json!("6"), "string_pattern_mismatch"),
        (
            "account_code",
            json!("64110012345"),
            "string_pattern_mismatch",
        ),
        ("account_code", json!("64a"), "string_pattern_mismatch"),
        ("account_code", json!("٦٤١"), "string_pattern_mismatch"),
        ("account_code", json!(641), "string_type"),
        ("account_name", json!(""), "string_too_short"),
        ("account_name", json!("\u{a0}\n"), "string_too_short"),
        ("account_name", json!("é".repeat(201)), "string_too_long"),
        ("account_name", json!("a\u{0}b"), "value_error"),
        ("account_name", Json::Null, "string_type"),
        ("category", json!("revenue"), "enum"),
        ("period", json!("P1"), "enum"),
        ("period", json!(1), "string_type"),
        ("amount_sar", json!("1.234"), "decimal_max_places"),
        ("amount_sar", json!(1.234), "decimal_max_places"),
        (
            "amount_sar",
            json!("10000000000000"),
            "decimal_whole_digits",
        ),
        ("amount_sar", json!("ten"), "decimal_parsing"),
        ("amount_sar", json!(true), "decimal_type"),
        ("amount_sar", json!({}), "decimal_type"),
        ("notes", json!("n".repeat(10_001)), "string_too_long"),
        ("notes", json!("\u{0}"), "value_error"),
    ] {
        assert_eq!(refused(field, &value), kind, "{field}: {value:.60}");
    }
}

#[test]
fn words_that_are_allowed_are_told() {
    let problems = LineQuery::from_query(Some("period=winter")).unwrap_err();
    let [problem] = &problems.into_vec()[..] else {
        panic!("one problem");
    };
    assert_eq!(problem.msg, "Input should be 'p1', 'summer' or 'p2'");
}

#[test]
fn numbers_keep_every_digit() {
    let line = |amount: &str| {
        let body = format!(
            r#"{{"account_code": "70", "account_name": "n", "category": "revenue_fees",
                "period": "p2", "amount_sar": {amount}}}"#
        );
        match NewLines::from_json(body.as_bytes()) {
            Ok(NewLines::One(line)) => line.amount_sar.to_string(),
            other => panic!("{other:?}"),
        }
    };
    // Through a float, only some of these would survive.
    assert_eq!(line("9007199254740.99"), "9007199254740.99");
    assert_eq!(line("0.10"), "0.10");
    assert_eq!(line("\"0.1\""), "0.10");
    assert_eq!(line("-45678000"), "-45678000.00");
    assert_eq!(line("1E+3"), "1000.00");
}

#[test]
fn a_body_that_is_no_object_says_so() {
    for (body, kind) in [
        (&b""[..], "missing"),
        (b" \n", "missing"),
        (b"{", "json_invalid"),
        (b"{} {}", "json_invalid"),
        (b"hello", "json_invalid"),
        (b"{\"name\": \xff}", "json_invalid"),
        (b"12", "model_attributes_type"),
        (b"null", "model_attributes_type"),
        (b"[]", "model_attributes_type"),
    ] {
        let problems = told(VersionChange::from_json(body));
        assert_eq!(problems, [(json!(["body"]), kind.to_owned())], "{body:?}");
    }
    let nested = [b'['].repeat(1_000_000);
    let problems = told(VersionChange::from_json(&nested));
    assert_eq!(problems.len(), 1);
}

#[test]
fn what_is_given_twice_or_half_a_character_is_refused() {
    let problems = told(VersionChange::from_json(br#"{"name": "a", "name": "b"}"#));
    assert_eq!(
        problems,
        [(json!(["body", "name"]), "duplicate".to_owned())]
    );
    let problems = told(VersionChange::from_json(br#"{"name": "\ud800"}"#));
    assert_eq!(
        problems,
        [(json!(["body", "name"]), "string_unicode".to_owned())]
    );
}

#[test]
fn left_out_null_and_a_value_are_three_things() {
    let change = |body: &str| VersionChange::from_json(body.as_bytes()).unwrap();
    assert_eq!(change("{}"), VersionChange::default());
    assert_eq!(change(r#"{"name": null}"#), VersionChange::default());
    assert_eq!(change(r#"{"notes": null}"#).notes, Some(None));
    assert_eq!(change(r#"{"notes": ""}"#).notes, Some(None));
    assert_eq!(change(r#"{"notes": "x"}"#).notes, Some(Some("x".into())));
}

#[test]
fn problems_of_an_array_tell_where_they_stand() {
    let good = r#"{"account_code":"70","account_name":"n","category":"revenue_fees","period":"p1","amount_sar":1}"#;
    let body = format!("[{good}, 3, {{}}, {good}]");
    let problems = told(NewLines::from_json(body.as_bytes()));
    assert_eq!(
        problems[0],
        (json!(["body", 1]), "model_attributes_type".to_owned())
    );
    assert_eq!(
        problems[1],
        (json!(["body", 2, "account_code"]), "missing".to_owned())
    );
    assert_eq!(problems.len(), 6);

    let two = NewLines::from_json(format!("\n[{good},{good}]").as_bytes());
    assert!(matches!(two, Ok(NewLines::Many(lines)) if lines.len() == 2));
    let none = told(NewLines::from_json(b"[]"));
    assert_eq!(none, [(json!(["body"]), "too_short".to_owned())]);
}

#[test]
fn problems_past_the_bound_are_counted() {
    let body = format!("[{}{{}}]", "{},".repeat(199));
    let problems = NewLines::from_json(body.as_bytes()).unwrap_err().into_vec();
    // 20 lines in full, one problem of each of the others, and their number.
    assert_eq!(problems.len(), 100 + 180 + 1);
    let last = problems.last().unwrap();
    assert_eq!(last.msg, "There are 720 more problems");
    assert_eq!(json!(last.loc), json!(["body"]));
}

#[test]
fn a_query_is_read_like_a_body() {
    let all = VersionQuery::from_query(None).unwrap();
    assert_eq!(all, VersionQuery::default());
    assert_eq!((all.paging.limit(), all.paging.offset()), (50, 0));

    let some =
        VersionQuery::from_query(Some("page=3&page_size=20&fiscal_year=2026&status=working"));
    let some = some.unwrap();
    assert_eq!((some.paging.limit(), some.paging.offset()), (20, 40));
    assert_eq!(some.fiscal_year, Some(2026));
    assert_eq!(some.status, Some(VersionStatus::Working));

    let wrong = "page=0&page_size=101&fiscal_year=&status=new&organization_id=1&x=1";
    let at = |field: &str, kind: &str| (json!(["query", field]), kind.to_owned());
    assert_eq!(
        told(VersionQuery::from_query(Some(wrong))),
        [
            at("page", "greater_than_equal"),
            at("page_size", "less_than_equal"),
            at("fiscal_year", "int_parsing"),
            at("status", "enum"),
            at("organization_id", "uuid_parsing"),
            at("x", "extra_forbidden"),
        ]
    );
    assert_eq!(
        told(ComparisonQuery::from_query(Some("base=x"))),
        [at("base", "uuid_parsing"), at("other", "missing")]
    );
    let lines = LineQuery::from_query(Some("account_code=64&period=p%31")).unwrap();
    assert_eq!(lines.account_code.unwrap().as_str(), "64");
    assert_eq!(lines.period, Some(Period::P1));
}

#[test]
fn integers_are_bounded_however_they_are_written() {
    for (page, kind) in [
        ("99999999999999999999", "less_than_equal"),
        ("-99999999999999999999", "greater_than_equal"),
        ("-1", "greater_than_equal"),
        ("1.5", "int_from_float"),
        ("1e9", "int_from_float"),
        ("--1", "int_parsing"),
        ("one", "int_parsing"),
    ] {
        let problems = told(VersionQuery::from_query(Some(&format!("page={page}"))));
        assert_eq!(
            problems,
            [(json!(["query", "page"]), kind.to_owned())],
            "{page}"
        );
    }
}

#[test]
fn a_page_tells_how_many_there_are() {
    let page = Paging::default().page(vec![1, 2], 101);
    assert_eq!(
        serde_json::to_value(page).unwrap(),
        json!({"items": [1, 2], "total": 101, "page": 1, "page_size": 50, "total_pages": 3})
    );
    assert_eq!(Paging::default().page(Vec::<u8>::new(), 0).total_pages, 0);
}

#[test]
fn an_identifier_in_a_path_is_a_uuid() {
    let problem = path_id::<VersionId>("version_id", "7").unwrap_err();
    assert_eq!(json!(problem.loc), json!(["path", "version_id"]));
    assert!(path_id::<VersionId>("version_id", "00000000-0000-0000-0000-000000000007").is_ok());
}

proptest! {
    #[test]
    fn no_body_is_too_strange_to_be_answered(body in prop::collection::vec(any::<u8>(), 0..60)) {
        for outcome in [
            NewVersion::from_json(&body).err(),
            NewLines::from_json(&body).err(),
            VersionChange::from_json(&body).err(),
        ] {
            prop_assert!(outcome.is_none_or(|problems| !problems.is_empty()));
        }
    }

    #[test]
    fn what_json_says_is_what_is_read(
        name in "[^\0\\s]{1,20}",
        notes in prop::option::of("[^\0]{1,30}"),
        halalas in -999_999_999_999_999_i64..=999_999_999_999_999,
    ) {
        let amount = Amount::from_halalas(halalas);
        let body = json!({
            "account_code": "6411", "account_name": name, "category": "operating_other",
            "period": "summer", "amount_sar": amount.to_string(), "notes": notes,
        });
        let NewLines::One(line) = NewLines::from_json(body.to_string().as_bytes()).unwrap() else {
            panic!("an object is one line");
        };
        let expected = NewLine {
            account_code: "6411".parse().unwrap(),
            account_name: name,
            category: crate::budget::Category::OperatingOther,
            period: Period::Summer,
            amount_sar: amount,
            notes,
        };
        prop_assert_eq!(line, expected);
    }
}

#[test]
fn a_list_of_lines_has_at_least_one_and_not_too_many() {
    let body = |problem: &str| [(json!(["body"]), problem.to_owned())];
    assert_eq!(told(NewLines::from_json(b"[]")), body("too_short"));
    let many = format!("[{}]", vec!["{}"; 100_001].join(","));
    assert_eq!(told(NewLines::from_json(many.as_bytes())), body("too_long"));
    assert_eq!(told(NewLines::from_json(b"[{}, ")).len(), 1);
}
