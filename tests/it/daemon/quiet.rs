//! What the log tells, and what it spares people.

use serde_json::Value;

use crate::support::{AuthApi, Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Redis, wait};

/// The lines about one dependency.
fn lines_about(daemon: &Daemon, dependency: &str) -> Vec<Value> {
    let mut lines = daemon.lines();
    lines.retain(|line| line["dependency"] == dependency);
    lines
}

#[tokio::test]
async fn a_long_outage_costs_a_handful_of_lines() {
    let mut redis = Redis::start().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config(&format!(
            "[dependencies.store]\nkind = \"redis\"\nurl = \"{}\"\npolicy = \"required\"",
            redis.url()
        ))
        .serve()
        .await;
    redis.kill().await;
    daemon.event("dependency_down").await;
    daemon.until_checked("store", 100).await;
    redis.restart_same_port().await;
    daemon.event("dependency_recovered").await;
    let lines = lines_about(&daemon, "store");
    let events: Vec<_> = lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "dependency_ready",
            "dependency_failing",
            "dependency_down",
            "dependency_recovered"
        ]
    );
    let fields = |line: &Value| {
        ["previous", "status", "transition", "level"]
            .map(|name| line[name].as_str().unwrap().to_owned())
    };
    assert_eq!(fields(&lines[0]), ["starting", "ok", "ready", "info"]);
    assert_eq!(fields(&lines[1]), ["ok", "failing", "failing", "warn"]);
    assert_eq!(fields(&lines[2]), ["failing", "error", "down", "error"]);
    assert_eq!(fields(&lines[3]), ["error", "ok", "recovered", "info"]);
    // The first failure may still have met the dying server.
    assert!(["refused", "closed"].contains(&lines[1]["error_kind"].as_str().unwrap()));
    assert_eq!(lines[2]["error_kind"], "refused");
    for line in &lines[1..3] {
        assert!(line["error"].is_string());
        assert!(line["attempt"].as_u64().unwrap() > 1);
    }
    assert!(lines[2]["hint"].is_string());
}

#[tokio::test]
async fn what_flaps_is_summed_up() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config(&format!(
            "[dependencies.store]\nkind = \"redis\"\nurl = \"redis://localhost:{}\"\npolicy = \"optional\"",
            proxy.port()
        ))
        .serve()
        .await;
    for _ in 0..12 {
        daemon.until_status("store", "ok").await;
        proxy.set(Mode::Refuse).await;
        proxy.cut();
        daemon.until_status("store", "error").await;
        proxy.set(Mode::Pass).await;
    }
    daemon.until_status("store", "ok").await;
    let summary = daemon.event("dependency_flapping").await;
    assert_eq!(summary["flaps"], 7);
    assert_eq!(lines_about(&daemon, "store").last(), Some(&summary));
    // Each flap that was told has three lines, and the summary came in place of
    // the seventh.
    assert_eq!(daemon.transitions("store").len(), 1 + 6 * 3);
}

#[tokio::test]
async fn the_names_that_dashboards_search_for_stay() {
    let mut redis = Redis::start().await;
    let auth = AuthApi::start().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .variable("SUPABASE_URL", &auth.url())
        .variable("ENVIRONMENT", "staging")
        .serve()
        .await;
    daemon.event("cache_initialization_success").await;
    daemon.event("supabase_auth_check_success").await;
    redis.kill().await;
    let lost = daemon.event("cache_disabled_or_unavailable").await;
    assert_eq!(lost["transition"], "failing");
    auth.set(crate::support::Answer::Status(503));
    let lost = daemon.event("supabase_auth_check_failed").await;
    assert_eq!(lost["transition"], "failing");
    wait::until("both are down", PATIENCE, async || {
        let down = |name: &str| daemon.transitions(name).contains(&"down".to_owned());
        (down("cache") && down("supabase_auth")).then_some(())
    })
    .await;
    for line in daemon.lines() {
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        for field in ["level", "event", "message", "service", "environment"] {
            assert!(line[field].is_string(), "no {field} in {line}");
        }
        assert_eq!(line["environment"], "staging", "{line}");
    }
}

#[tokio::test]
async fn a_cache_that_is_off_is_told_once() {
    let mut daemon = DaemonOptions::default().serve().await;
    let line = daemon.event("cache_disabled_or_unavailable").await;
    assert!(line["transition"].is_null());
    let (_, document) = daemon.readiness().await;
    assert_eq!(document["checks"]["cache"]["status"], "disabled");
    assert_eq!(document["checks"]["cache"]["enabled"], false);
    assert_eq!(document["status"], "ok");
}
