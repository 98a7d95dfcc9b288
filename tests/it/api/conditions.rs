//! What a client has seen: conditions on requests, and the tags they name.

use hyper::Method;
use serde_json::{Value, json};

use super::Rig;
use super::lines::line;
use crate::support::caller::{Caller, below};
use crate::support::client::Response;

#[tokio::test]
async fn a_read_of_what_is_known_is_spared() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let id = version["id"].as_str().unwrap();
    let first = planner.get(&below(&version, "")).await;
    let tag = first.header("etag").unwrap();
    let paths = [
        below(&version, ""),
        below(&version, "/lines"),
        format!("/consolidation/{id}"),
        format!("/consolidation/{id}/summary"),
        format!("/consolidation/{id}/statements/periods"),
        format!("/consolidation/{id}/statements/periods/p1"),
        format!("/consolidation/{id}/statements/income"),
    ];
    for path in &paths {
        let read = planner.get(path).await;
        assert_eq!(
            (read.code, read.header("etag")),
            (200, Some(tag)),
            "{path}: {}",
            read.body
        );
        let known = planner.with("if-none-match", tag).get(path).await;
        assert_eq!((known.code, known.body.as_str()), (304, ""), "{path}");
        assert_eq!(known.header("etag"), Some(tag));
        let head = planner.try_send(hyper::Method::HEAD, path, "").await;
        let head = head.unwrap();
        assert_eq!((head.code, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(head.header("etag"), Some(tag), "{path}");
        let length = read.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()));
    }
    // A write below the version is one of the version.
    let new = line("7011", "revenue_tuition", "p1", "1.00");
    let added = planner.post(&below(&version, "/lines"), new).await;
    assert_eq!(added.code, 201, "{}", added.body);
    for path in &paths {
        let changed = planner.with("if-none-match", tag).get(path).await;
        assert_eq!(changed.code, 200, "{path}");
    }
}

/// Each write of a version names the state that it is made on, and is told
/// which one it made.
#[tokio::test]
async fn a_write_is_made_on_the_state_that_it_names_or_not_at_all() {
    let rig = Rig::start().await;
    let manager = rig.caller("manager");
    let version = manager.create("Budget", 2026).await;
    let new = || line("7011", "revenue_tuition", "p1", "1.00");
    let added = manager.post(&below(&version, "/lines"), new()).await.json();
    let added = format!("/lines/{}", added["id"].as_str().unwrap());
    let tag = async |version: &Value| -> String {
        let read = manager.get(&below(version, "")).await;
        read.header("etag").unwrap().to_owned()
    };
    let mut old = version["revision_token"].to_string();
    for (method, rest, body) in [
        (Method::PUT, added.as_str(), json!({"amount_sar": "2.00"})),
        (Method::DELETE, &added, Value::Null),
        (Method::POST, "/lines", new()),
        (Method::POST, "/lines", json!([new(), new()])),
        (Method::PUT, "", json!({"name": "Budget révisé"})),
        (Method::PUT, "/submit", Value::Null),
        (Method::PUT, "/approve", Value::Null),
        (Method::PUT, "/supersede", Value::Null),
    ] {
        let path = below(&version, rest);
        let send = async |tag: &str| {
            let caller = manager.with("if-match", tag);
            let caller = caller.with("content-type", "application/json");
            let body = (!body.is_null()).then(|| body.to_string());
            let body = body.unwrap_or_default();
            let sent = caller.try_send(method.clone(), &path, &body).await;
            sent.unwrap()
        };
        let current = tag(&version).await;
        assert_ne!(old, current, "{method} {path}");
        let refused = send(&old).await;
        assert_eq!(refused.code, 412, "{method} {path}: {}", refused.body);
        assert_eq!(tag(&version).await, current, "{method} {path}");
        let done = send(&current).await;
        let made = (200..300).contains(&done.code);
        assert!(made, "{method} {path}: {} {}", done.code, done.body);
        if method != Method::DELETE {
            let told = done.header("etag");
            assert_eq!(told, Some(tag(&version).await.as_str()), "{method} {path}");
        }
        old = current;
    }

    // A copy leaves its source as it is, and is told by a tag of its own.
    let current = tag(&version).await;
    let clone = async |tag: &str| {
        let body = json!({"name": "Next", "fiscal_year": 2027});
        let caller = manager.with("if-match", tag);
        caller.post(&below(&version, "/clone"), body).await
    };
    assert_eq!(clone(&old).await.code, 412);
    let cloned = clone(&current).await;
    assert_eq!(cloned.code, 201, "{}", cloned.body);
    assert_eq!(tag(&version).await, current);
    let copy = cloned.json();
    let own = tag(&copy).await;
    assert_eq!(cloned.header("etag"), Some(own.as_str()));
    for (tag, code) in [(&current, 412), (&own, 204)] {
        let caller = manager.with("if-match", tag);
        assert_eq!(caller.delete(&below(&copy, "")).await.code, code);
    }
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
