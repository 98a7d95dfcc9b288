//! Lines: one by one, in arrays, and as CSV.

use std::fmt::Write;

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Rig;
use crate::support::caller::{Caller, USER, below, claims, sign};
use crate::support::client::Response;
use crate::support::wait::{PATIENCE, until};

fn line(code: &str, category: &str, period: &str, amount: &str) -> Value {
    json!({
        "account_code": code, "account_name": format!("Compte {code}"),
        "category": category, "period": period, "amount_sar": amount
    })
}

const HEADER: &str = "account_code,account_name,category,period,amount_sar,notes\n";

#[tokio::test]
async fn a_line_is_created_listed_changed_and_deleted() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let created = planner
        .post(
            &below(&version, "/lines"),
            line("7011", "revenue_tuition", "p1", "45678000.00"),
        )
        .await;
    assert_eq!(created.code, 201, "{}", created.body);
    let created = created.json();
    assert_eq!(created["amount_sar"], "45678000.00");
    let several = planner
        .post(
            &below(&version, "/lines"),
            json!([
                line("6411", "personnel_teaching", "p2", "0.10"),
                line("2183", "capex_it", "summer", "-12.5"),
                line("70", "revenue_fees", "p1", "7"),
            ]),
        )
        .await;
    assert_eq!(several.code, 201, "{}", several.body);

    let listed = planner
        .get(&below(&version, "/lines?page_size=2"))
        .await
        .json();
    assert_eq!(
        (&listed["total"], &listed["total_pages"]),
        (&json!(4), &json!(2))
    );
    let total = async |query: &str| {
        let page = planner
            .get(&below(&version, &format!("/lines?{query}")))
            .await;
        assert_eq!(page.code, 200, "{}", page.body);
        page.json()["total"].clone()
    };
    assert_eq!(total("category=capex_it").await, 1);
    assert_eq!(total("period=p1").await, 2);
    assert_eq!(total("account_code=7011").await, 1);
    assert_eq!(total("account_code=7011&period=p2").await, 0);
    assert_eq!(
        planner.get(&below(&version, "/lines?period=p3")).await.code,
        422
    );

    let path = below(
        &version,
        &format!("/lines/{}", created["id"].as_str().unwrap()),
    );
    let changed = planner
        .put(&path, json!({"amount_sar": "1.25", "notes": "moins"}))
        .await;
    assert_eq!(changed.code, 200, "{}", changed.body);
    let changed = changed.json();
    assert_eq!(
        (&changed["amount_sar"], &changed["notes"]),
        (&json!("1.25"), &json!("moins"))
    );
    assert_eq!(changed["account_code"], "7011");
    assert_eq!(planner.delete(&path).await.code, 204);
    assert_eq!(planner.delete(&path).await.code, 404);
    assert_eq!(planner.put(&path, json!({"notes": "x"})).await.code, 404);
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

fn rows(count: usize) -> String {
    let mut csv = HEADER.to_owned();
    for row in 0..count {
        let period = ["p1", "summer", "p2"][row % 3];
        writeln!(
            csv,
            "{},\"Compte, n° {row}\",operating_supplies,{period},{}.{:02},",
            600_000 + row % 5_000,
            row,
            row % 100
        )
        .unwrap();
    }
    csv
}

#[tokio::test]
async fn csv_goes_in_and_comes_out_again() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let csv = rows(20_000);
    let loaded = planner.post_csv(&below(&version, "/lines"), &csv).await;
    assert_eq!(loaded.code, 201, "{}", loaded.body);
    assert_eq!(
        planner
            .get(&below(&version, "/lines?page_size=1"))
            .await
            .json()["total"],
        20_000
    );

    let exported = planner
        .with("accept", "text/csv")
        .get(&below(&version, "/lines"))
        .await;
    assert_eq!(exported.code, 200);
    assert!(
        exported
            .header("content-type")
            .unwrap()
            .starts_with("text/csv")
    );
    assert!(exported.header("etag").is_some());
    assert_eq!(exported.body.lines().count(), 20_001);

    // What came out can be put into another version.
    let other = planner.create("Other", 2027).await;
    let again = planner
        .post_csv(&below(&other, "/lines"), &exported.body)
        .await;
    assert_eq!(again.code, 201, "{}", again.body);
    let sums = async |version: &Value| {
        let id = version["id"].as_str().unwrap().to_owned();
        planner
            .get(&format!("/consolidation/{id}/summary"))
            .await
            .json()["total_operating_costs"]
            .clone()
    };
    assert_eq!(sums(&version).await, sums(&other).await);
}

#[tokio::test]
async fn every_bad_row_is_told_with_its_number() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let csv = format!(
        "{HEADER}7011,ok,revenue_tuition,p1,1.00,\nx,bad code,revenue_tuition,p1,1.00,\n7011,ok,revenue_tuition,p9,1.00,\n7011,short\n"
    );
    let refused = planner.post_csv(&below(&version, "/lines"), &csv).await;
    assert_eq!(refused.code, 422, "{}", refused.body);
    let detail = refused.json()["detail"].clone();
    let mut numbers: Vec<i64> = detail
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|problem| {
            problem["loc"]
                .as_array()
                .unwrap()
                .iter()
                .find_map(Value::as_i64)
        })
        .collect();
    numbers.dedup();
    assert_eq!(numbers, [2, 3, 4], "{detail}");
    assert_eq!(
        planner.get(&below(&version, "/lines")).await.json()["total"],
        0,
        "all or nothing"
    );

    for (csv, why) in [
        ("", "empty"),
        (HEADER, "no row"),
        (
            "account_code,colour\n1,red\n",
            "unknown and missing columns",
        ),
        ("\u{feff}", "a mark and nothing"),
    ] {
        let refused = planner.post_csv(&below(&version, "/lines"), csv).await;
        assert_eq!(refused.code, 422, "{why}: {}", refused.body);
    }
    let too_many = planner
        .post_csv(&below(&version, "/lines"), &rows(100_001))
        .await;
    assert_eq!(too_many.code, 422, "{}", too_many.body);
    let unknown = planner
        .with("content-type", "text/plain")
        .try_send(hyper::Method::POST, &below(&version, "/lines"), "x")
        .await
        .unwrap();
    assert_eq!(unknown.code, 415, "{}", unknown.body);
}

#[tokio::test]
async fn json_and_csv_of_one_state_are_told_apart() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let as_csv = planner.with("accept", "text/csv");
    let tag = |answer: &Response| answer.header("etag").unwrap().to_owned();
    let (json, csv) = (planner.get(&path).await, as_csv.get(&path).await);
    for answer in [&json, &csv] {
        let mut vary = answer.headers.get_all("vary").iter();
        assert!(vary.any(|name| name == "accept"), "{:?}", answer.headers);
    }
    // Who has one of them has not got the other.
    let known = |caller: &Caller, answer: &Response| caller.with("if-none-match", &tag(answer));
    assert_eq!(known(&planner, &json).get(&path).await.code, 304);
    assert_eq!(known(&planner, &csv).get(&path).await.code, 200);
    assert_eq!(known(&as_csv, &csv).get(&path).await.code, 304);
    assert_eq!(known(&as_csv, &json).get(&path).await.code, 200);
    // A write may name either.
    let new = line("7011", "revenue_fees", "p1", "1.00");
    let guarded = planner.with("if-match", &tag(&csv));
    assert_eq!(guarded.post(&path, new.clone()).await.code, 201);
    assert_eq!(guarded.post(&path, new).await.code, 412);
}

/// An export holds a connection of the pool, here the only one for exports.
#[tokio::test]
async fn an_export_whose_client_leaves_lets_go_of_its_connection() {
    let rig = Rig::with(|options| options.variable("BUDGETD__DATABASE__POOL_SIZE", "2")).await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    // More than the system takes on for a client that does not read.
    let notes = "n".repeat(300);
    let large = rows(80_000)[HEADER.len()..].replace(",\n", &format!(",{notes}\n"));
    let large = format!("{HEADER}{large}");
    assert_eq!(planner.post_csv(&path, &large).await.code, 201);

    let token = sign(&claims(USER, "viewer"));
    let mut client = TcpStream::connect(("127.0.0.1", rig.daemon.api()))
        .await
        .unwrap();
    let request = format!(
        "GET /api/v1{path} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n\
         accept: text/csv\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0];
    client.read_exact(&mut first).await.unwrap();
    let as_csv = planner.with("accept", "text/csv");
    assert_eq!(as_csv.get(&path).await.code, 503, "its place is taken");
    assert_eq!(planner.get(&path).await.code, 200, "others go on");
    drop(client);
    until("the place is free", PATIENCE, async || {
        let head = as_csv.try_send(Method::HEAD, &path, "").await.unwrap();
        (head.code == 200).then_some(())
    })
    .await;
}

/// It is cut short, which its client can tell from its end, and operators from
/// the log.
#[tokio::test]
async fn an_export_that_loses_its_database_is_told_as_a_failure() {
    let mut rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let notes = "n".repeat(300);
    let large = rows(80_000)[HEADER.len()..].replace(",\n", &format!(",{notes}\n"));
    let large = format!("{HEADER}{large}");
    assert_eq!(planner.post_csv(&path, &large).await.code, 201);
    let token = sign(&claims(USER, "viewer"));
    let mut client = TcpStream::connect(("127.0.0.1", rig.daemon.api()))
        .await
        .unwrap();
    let request = format!(
        "GET /api/v1{path} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n\
         accept: text/csv\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0];
    client.read_exact(&mut first).await.unwrap();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE query LIKE 'FETCH%' AND pid <> pg_backend_pid()";
    rig.database.execute(cut).await;
    let mut rest = Vec::new();
    // The connection ends, one way or another, without the last chunk.
    let _ = client.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"\r\n0\r\n\r\n"));
    let failed = rig.daemon.event("request_failed").await;
    assert_eq!(failed["error_type"], "response");
    let error = failed["error"].as_str().unwrap();
    assert!(error.starts_with("cannot use the database"), "{error}");
}

#[tokio::test]
async fn an_export_holds_what_was_asked_for() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let lines = json!([
        line("7011", "revenue_fees", "p1", "1.00"),
        line("7011", "revenue_fees", "p2", "2.00"),
        line("7012", "revenue_fees", "p1", "3.00"),
        line("6411", "personnel_admin", "p1", "4.00"),
    ]);
    assert_eq!(planner.post(&path, lines).await.code, 201);
    let as_csv = planner.with("accept", "text/csv");
    for (query, amounts) in [
        ("", &["4.00", "1.00", "2.00", "3.00"][..]),
        ("?category=revenue_fees&period=p1", &["1.00", "3.00"]),
        ("?account_code=7011&page_size=1", &["1.00", "2.00"]),
        ("?period=summer", &[]),
    ] {
        let answer = as_csv.get(&format!("{path}{query}")).await;
        let rows = answer.body.lines().skip(1);
        let told: Vec<_> = rows.map(|row| row.split(',').nth(4).unwrap()).collect();
        assert_eq!(told, amounts, "{query}");
    }
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
