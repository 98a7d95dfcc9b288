//! The stream of events, as any client gets it.

use hyper::Method;
use rustix::process::Signal;
use serde_json::Value;

use super::Stage;
use crate::support::{DaemonOptions, EventStream, PATIENCE, client, wait};

/// What `data` tells of a dependency.
fn told<'a>(data: &'a Value, name: &str) -> Option<&'a Value> {
    let dependencies = data["dependencies"].as_array().expect("a list");
    dependencies.iter().find(|entry| entry["name"] == name)
}

/// The transitions of a dependency among the last ones.
fn transitions(data: &Value, name: &str) -> Vec<String> {
    let timeline = data["timeline"].as_array().expect("a list").iter();
    timeline
        .filter(|moment| moment["dependency"] == name)
        .map(|moment| moment["transition"].as_str().expect("a word").to_owned())
        .collect()
}

#[tokio::test]
async fn everything_is_told_first_and_then_what_changes() {
    let mut stage = Stage::start().await;
    let mut stream = EventStream::open(stage.daemon.admin()).await;
    assert_eq!(stream.code, 200);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-store");

    let (name, first) = stream.next().await.unwrap();
    assert_eq!(name, "state");
    assert_eq!(first["status"], "ok");
    assert_eq!(first["phase"], "serving");
    assert!(first["gate_opened_at"].is_string(), "{first}");
    assert_eq!(first["counts"]["ok"], 4);
    let all = first["dependencies"].as_array().unwrap();
    assert_eq!(all.len(), 6, "those that are not watched, too");
    let reports = told(&first, "reports").unwrap();
    assert_eq!(reports["status"], "ok");
    assert_eq!(reports["needs"], serde_json::json!(["search"]));
    assert!(!reports["latencies"].as_array().unwrap().is_empty());
    assert_eq!(transitions(&first, "ledger"), ["ready"]);

    stage.cache.kill().await;
    let mut seen = Vec::new();
    let down = stream.until("the loss is told", |name, data| {
        assert_eq!(name, "change");
        assert_eq!(told(data, "ledger"), None, "it did not change");
        seen.extend(transitions(data, "cache"));
        let cache = told(data, "cache")?;
        (cache["status"] == "error").then(|| (data.clone(), cache.clone()))
    });
    let (data, cache) = down.await;
    assert_eq!(data["status"], "degraded");
    assert_eq!(cache["error_kind"], "refused");
    assert!(cache["hint"].as_str().unwrap().contains("start it"));
    assert_eq!(seen, ["failing", "down"], "each once");
    assert_eq!(told(&data, "search").unwrap()["blocked_by"], "cache");

    stage.cache.restart_same_port().await;
    let recovered = stream.until("the recovery is told", |_, data| {
        let status = &told(data, "reports")?["status"];
        (status == "ok").then(|| data.clone())
    });
    assert_eq!(recovered.await["status"], "ok");
}

#[tokio::test]
async fn who_comes_after_an_incident_still_sees_it() {
    let mut stage = Stage::start().await;
    stage.cache.kill().await;
    stage.daemon.until_status("cache", "error").await;
    stage.cache.restart_same_port().await;
    stage.daemon.until_overall("ok").await;

    let mut stream = EventStream::open(stage.daemon.admin()).await;
    let (_, state) = stream.next().await.unwrap();
    let expected = ["ready", "failing", "down", "recovered"];
    assert_eq!(transitions(&state, "cache"), expected);
    let moments = state["timeline"].as_array().unwrap();
    let down = moments.iter().find(|moment| moment["transition"] == "down");
    assert_eq!(down.unwrap()["error_kind"], "refused");
    let latencies = told(&state, "cache").unwrap()["latencies"].as_array();
    assert!(latencies.unwrap().contains(&Value::Null), "the gap shows");
}

#[tokio::test]
async fn only_so_many_pages_are_told_and_a_place_that_is_left_is_free() {
    const PAGES: usize = 32;

    let daemon = DaemonOptions::default().serve().await;
    let mut streams = Vec::new();
    for _ in 0..PAGES {
        let mut stream = EventStream::open(daemon.admin()).await;
        assert!(stream.next().await.is_some());
        streams.push(stream);
    }
    let refused = EventStream::open(daemon.admin()).await;
    assert_eq!(refused.code, 503);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(daemon.ask("/").await.code, 200, "all else is answered");

    streams.pop();
    wait::until("a place is free", PATIENCE, async || {
        let stream = EventStream::open(daemon.admin()).await;
        (stream.code == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_a_stop() {
    let options = DaemonOptions::default()
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "2s")
        .variable("BUDGETD__LIFECYCLE__DRAIN_TIMEOUT", "5m");
    let mut stage = Stage::with(options).await;
    let mut stream = EventStream::open(stage.daemon.admin()).await;
    // Nobody reads this one.
    let silent = EventStream::open(stage.daemon.admin()).await;
    assert!(stream.next().await.is_some());

    stage.daemon.signal(Signal::TERM);
    let draining = stream.until("the stop is told", |_, data| {
        (data["phase"] == "draining").then(|| data["status"].clone())
    });
    assert_eq!(draining.await, "draining");
    assert_eq!(stage.daemon.exit().await, 0);
    while stream.next().await.is_some() {}
    drop(silent);
    let cut = stage.daemon.lines_of("drain_timeout_exceeded");
    assert_eq!(cut, [Value::Null; 0], "admin connections hold nothing");
}

#[tokio::test]
async fn a_head_request_gets_the_headers_alone() {
    let daemon = DaemonOptions::default().serve().await;
    for (path, kind) in [("/", "text/html"), ("/status/stream", "text/event-stream")] {
        let answer = client::request(daemon.admin(), Method::HEAD, path, &[]).await;
        let answer = answer.unwrap();
        assert_eq!(answer.code, 200, "{path}");
        assert!(answer.header("content-type").unwrap().starts_with(kind));
        assert_eq!(answer.body, "");
        let posted = daemon.post(path).await;
        assert_eq!(posted.code, 405, "{path}");
    }
}
