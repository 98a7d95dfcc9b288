//! Lines as CSV, in and out.

use std::fmt::Write;

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Rig;
use super::lines::{HEADER, line};
use crate::support::caller::{USER, below, claims, sign};
use crate::support::wait::{PATIENCE, until};

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

/// Whatever a text holds, and in whatever columns it comes.
#[tokio::test]
async fn a_row_becomes_a_line_with_all_that_it_says() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let csv = format!(
        "{HEADER}2183,Ordinateurs,capex_it,summer,-300.00,\n\
         6411,\"Salaires, \"\"nets\"\"\",personnel_teaching,p2,0.05,\"dix\n\tpostes \\N\"\n\
         7011,Scolarité,revenue_tuition,p1,1000.50,été\n"
    );
    let loaded = planner.post_csv(&below(&version, "/lines"), &csv).await;
    assert_eq!((loaded.code, loaded.json()), (201, json!({"created": 3})));
    let listed = planner.get(&below(&version, "/lines")).await.json();
    let expected = [
        ["2183", "Ordinateurs", "capex_it", "summer", "-300.00", ""],
        [
            "6411",
            "Salaires, \"nets\"",
            "personnel_teaching",
            "p2",
            "0.05",
            "dix\n\tpostes \\N",
        ],
        [
            "7011",
            "Scolarité",
            "revenue_tuition",
            "p1",
            "1000.50",
            "été",
        ],
    ];
    assert_eq!(listed["total"], expected.len());
    for (line, row) in listed["items"].as_array().unwrap().iter().zip(expected) {
        for (column, value) in HEADER.trim().split(',').zip(row) {
            let told = line[column].as_str().unwrap_or_default();
            assert_eq!(told, value, "{column} of {line}");
        }
        assert_eq!(line["created_by_id"], USER);
        assert_eq!(line["budget_version_id"], version["id"]);
    }
    let exported = planner.with("accept", "text/csv");
    let exported = exported.get(&below(&version, "/lines")).await;
    assert_eq!(exported.body.replace("\r\n", "\n"), csv);
}

#[tokio::test]
async fn csv_goes_in_and_comes_out_again() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let csv = rows(20_000);
    let loaded = planner.post_csv(&below(&version, "/lines"), &csv).await;
    assert_eq!(loaded.json(), json!({"created": 20_000}));
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

/// Fills a version and begins an export of it. It is more than the system takes
/// on for a client that does not read.
async fn half_read_export(rig: &Rig, path: &str) -> TcpStream {
    let notes = "n".repeat(300);
    let large = rows(80_000)[HEADER.len()..].replace(",\n", &format!(",{notes}\n"));
    let large = format!("{HEADER}{large}");
    let loaded = rig.caller("planner").post_csv(path, &large).await;
    assert_eq!(loaded.code, 201, "{}", loaded.body);
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
    client
}

/// An export holds a connection of the pool, here the only one for exports.
#[tokio::test]
async fn an_export_whose_client_leaves_lets_go_of_its_connection() {
    let rig = Rig::with(|options| options.variable("BUDGETD__DATABASE__POOL_SIZE", "2")).await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let client = half_read_export(&rig, &path).await;
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
    let mut client = half_read_export(&rig, &path).await;
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
