//! Lines: one by one, and in arrays.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Rig;
use crate::support::caller::{USER, below};

pub(super) fn line(code: &str, category: &str, period: &str, amount: &str) -> Value {
    json!({
        "account_code": code, "account_name": format!("Compte {code}"),
        "category": category, "period": period, "amount_sar": amount
    })
}

pub(super) const HEADER: &str = "account_code,account_name,category,period,amount_sar,notes\n";

#[tokio::test]
async fn a_line_is_created_changed_and_deleted() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let mut body = line("7011", "revenue_tuition", "p1", "45678000.00");
    body["notes"] = json!("deux classes");
    let created = planner.post(&below(&version, "/lines"), body.clone()).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let mut expected = created.json();
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(expected[name], *value, "{name}");
    }
    assert_eq!(expected["budget_version_id"], version["id"]);
    assert_eq!(expected["created_by_id"], USER);
    let listed = async || {
        let listed = planner.get(&below(&version, "/lines")).await.json();
        listed["items"].clone()
    };
    assert_eq!(listed().await, json!([expected]));

    // A change changes what it names, and nothing else.
    let path = below(
        &version,
        &format!("/lines/{}", expected["id"].as_str().unwrap()),
    );
    for change in [
        json!({"account_code": "6411"}),
        json!({"account_name": "Salaires"}),
        json!({"category": "personnel_teaching"}),
        json!({"period": "summer"}),
        json!({"amount_sar": "1.25"}),
        json!({"notes": "moins"}),
        json!({}),
        json!({"notes": null}),
        json!({"amount_sar": "-7.00", "notes": "plus", "period": "p2"}),
    ] {
        let changed = planner.put(&path, change.clone()).await;
        assert_eq!(changed.code, 200, "{}", changed.body);
        let changed = changed.json();
        for (name, value) in change.as_object().unwrap() {
            expected[name] = value.clone();
        }
        expected["updated_at"] = changed["updated_at"].clone();
        assert_eq!(changed, expected, "{change}");
        assert_eq!(listed().await, json!([expected]));
    }
    assert_eq!(planner.delete(&path).await.code, 204);
    assert_eq!(listed().await, json!([]));
    assert_eq!(planner.delete(&path).await.code, 404);
    assert_eq!(planner.put(&path, json!({"notes": "x"})).await.code, 404);
}

#[tokio::test]
async fn lines_are_listed_by_account_in_pages_and_as_asked_for() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let sent = [
        line("7011", "revenue_tuition", "p1", "1.00"),
        line("6411", "personnel_teaching", "p2", "0.10"),
        line("2183", "capex_it", "summer", "-12.50"),
        line("70", "revenue_fees", "p1", "7.00"),
        line("6411", "personnel_admin", "p1", "3.00"),
        line("7011", "revenue_tuition", "p2", "4.00"),
        line("6411", "personnel_teaching", "p2", "5.00"),
    ];
    let created = planner.post(&below(&version, "/lines"), json!(sent)).await;
    assert_eq!(created.code, 201, "{}", created.body);
    let created = created.json();
    let created = created.as_array().unwrap();
    assert_eq!(created.len(), sent.len());
    for (created, sent) in created.iter().zip(&sent) {
        for (name, value) in sent.as_object().unwrap() {
            assert_eq!(created[name], *value, "{name} of {created}");
        }
    }

    let page = async |query: &str| {
        let page = planner
            .get(&below(&version, &format!("/lines?{query}")))
            .await;
        assert_eq!(page.code, 200, "{}", page.body);
        page.json()
    };
    let picked =
        |places: &[usize]| -> Value { places.iter().map(|at| created[*at].clone()).collect() };
    for (query, places, total) in [
        ("", &[2, 1, 4, 6, 3, 0, 5][..], 7),
        ("page_size=3", &[2, 1, 4], 7),
        ("page_size=3&page=2", &[6, 3, 0], 7),
        ("page_size=3&page=3", &[5], 7),
        ("page_size=3&page=4", &[], 7),
        ("category=capex_it", &[2], 1),
        ("period=p1", &[4, 3, 0], 3),
        ("account_code=7011", &[0, 5], 2),
        ("account_code=70", &[3], 1),
        ("account_code=7011&period=p2", &[5], 1),
        ("account_code=2183&period=p2", &[], 0),
        ("category=personnel_teaching&page_size=1&page=2", &[6], 2),
    ] {
        let page = page(query).await;
        assert_eq!(page["items"], picked(places), "{query}");
        assert_eq!(page["total"], total, "{query}");
    }
    let second = page("page_size=3&page=2").await;
    assert_eq!(
        (
            &second["page"],
            &second["page_size"],
            &second["total_pages"]
        ),
        (&json!(2), &json!(3), &json!(3))
    );
    let unknown = planner.get(&below(&version, "/lines?period=p3")).await;
    assert_eq!(unknown.code, 422);
}

#[tokio::test]
async fn lines_change_only_while_the_version_is_worked_on() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let body = line("7011", "revenue_tuition", "p1", "1.00");
    let created = planner
        .post(&below(&version, "/lines"), body.clone())
        .await
        .json();
    let path = below(
        &version,
        &format!("/lines/{}", created["id"].as_str().unwrap()),
    );
    assert_eq!(planner.step(&below(&version, "/submit")).await.code, 200);
    for refused in [
        planner.post(&below(&version, "/lines"), body.clone()).await,
        planner
            .post_csv(
                &below(&version, "/lines"),
                &format!("{HEADER}7011,a,revenue_tuition,p1,1.00,\n"),
            )
            .await,
        planner.put(&path, json!({"notes": "x"})).await,
        planner.delete(&path).await,
    ] {
        assert_eq!(refused.code, 422, "{}", refused.body);
        assert!(
            refused.json()["detail"]
                .as_str()
                .unwrap()
                .contains("submitted")
        );
    }
    // A line is looked for below its own version.
    let other = planner.create("Other", 2027).await;
    let path = below(
        &other,
        &format!("/lines/{}", created["id"].as_str().unwrap()),
    );
    assert_eq!(planner.put(&path, json!({"notes": "x"})).await.code, 404);
}

#[tokio::test]
async fn money_is_decimal_from_end_to_end() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    for amount in ["9999999999999.99", "-9999999999999.99", "0.01", "0.00"] {
        let created = planner
            .post(
                &below(&version, "/lines"),
                line("7011", "revenue_tuition", "p1", amount),
            )
            .await;
        assert_eq!(
            (created.code, &created.json()["amount_sar"]),
            (201, &json!(amount))
        );
    }
    // A number is read digit by digit: as a float this one would be …99.98.
    let body = r#"{"account_code":"7011","account_name":"a","category":"revenue_tuition","period":"p1","amount_sar":9999999999999.99}"#;
    let caller = planner.with("content-type", "application/json");
    let created = caller
        .try_send(hyper::Method::POST, &below(&version, "/lines"), body)
        .await
        .unwrap();
    assert_eq!(
        (created.code, &created.json()["amount_sar"]),
        (201, &json!("9999999999999.99"))
    );
    for amount in [
        "10000000000000.00",
        "0.001",
        "NaN",
        "1e400",
        "",
        "1,5",
        "1 000",
    ] {
        let refused = planner
            .post(
                &below(&version, "/lines"),
                line("7011", "revenue_tuition", "p1", amount),
            )
            .await;
        assert_eq!(refused.code, 422, "{amount}: {}", refused.body);
    }
}

#[tokio::test]
async fn an_array_is_taken_whole_or_not_at_all() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let mixed = json!([
        line("7011", "revenue_tuition", "p1", "1.00"),
        line("x", "revenue_tuition", "p1", "1.00"),
        line("7011", "nonsense", "p1", "1.001"),
    ]);
    let refused = planner.post(&below(&version, "/lines"), mixed).await;
    assert_eq!(refused.code, 422);
    let places: Vec<String> = refused.json()["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["loc"].to_string())
        .collect();
    for place in [
        r#"["body",1,"account_code"]"#,
        r#"["body",2,"category"]"#,
        r#"["body",2,"amount_sar"]"#,
    ] {
        assert!(places.contains(&place.to_owned()), "{place} in {places:?}");
    }
    assert_eq!(
        planner.get(&below(&version, "/lines")).await.json()["total"],
        0
    );
    assert_eq!(
        planner
            .post(&below(&version, "/lines"), json!([]))
            .await
            .code,
        422
    );
}

#[tokio::test]
async fn a_body_that_is_compressed_is_refused_as_such() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let packed = planner.with("content-encoding", "gzip");
    let answer = packed.post_csv(&below(&version, "/lines"), HEADER).await;
    let detail = json!({"detail": "Expected a body without Content-Encoding"});
    assert_eq!((answer.code, answer.json()), (415, detail));
}

/// What is announced too large is refused before it is read, and so is what
/// turns out to be.
#[tokio::test]
async fn a_body_beyond_its_limit_is_413() {
    let rig = Rig::with(|options| {
        options.config("[api]\nmax_body = \"64KiB\"\nimport_max_body = \"256KiB\"")
    })
    .await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let large = "x".repeat(100 * 1024);
    let json = planner.with("content-type", "application/json");
    let refused = json
        .try_send(hyper::Method::POST, &path, &large)
        .await
        .unwrap();
    assert_eq!(refused.code, 413, "{}", refused.body);
    assert!(refused.json()["detail"].is_string());
    // As CSV it may be larger.
    let taken = planner.post_csv(&path, &large).await;
    assert_eq!(taken.code, 422, "{}", taken.body);
    let refused = planner.post_csv(&path, &large.repeat(3)).await;
    assert_eq!(refused.code, 413, "{}", refused.body);

    let token = crate::support::caller::sign(&crate::support::caller::claims(
        crate::support::caller::USER,
        "planner",
    ));
    let mut chunked = format!(
        "POST /api/v1{path} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    for _ in 0..100 {
        write!(chunked, "400\r\n{}\r\n", "x".repeat(1024)).unwrap();
    }
    let answer = crate::support::client::raw(rig.daemon.api(), chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(planner.get(&path).await.json()["total"], 0);
}
