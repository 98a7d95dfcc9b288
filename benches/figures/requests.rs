//! What requests get, and how fast.

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::{in_front_of, overall};
use crate::report::Report;
use crate::support::{Postgres, Redis, client};

const REFUSAL_BOUND: Duration = Duration::from_millis(10);

/// The database is down: each request on a connection of its own.
pub(crate) async fn turned_away(report: &mut Report) {
    let mut database = Postgres::start().await;
    let redis = Redis::start().await;
    let daemon = in_front_of(&database, &redis).serve().await;
    database.kill().await;
    overall(&daemon, "unavailable").await;
    let mut tries = Vec::new();
    for _ in 0..1_000 {
        let began = Instant::now();
        let response = client::get(daemon.api(), "/api/v1/versions").await;
        tries.push(began.elapsed());
        let response = response.expect("the listener stays open");
        assert_eq!(response.code, 503, "{}", response.body);
    }
    report.durations(
        "API request refused while the database is down",
        &tries,
        REFUSAL_BOUND,
    );
}

/// Polls of readiness, if `wrk` is installed.
pub(crate) async fn throughput(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let daemon = in_front_of(&database, &redis).serve().await;
    overall(&daemon, "ok").await;
    let url = format!("http://127.0.0.1:{}/health/ready", daemon.api());
    let polls = Command::new("wrk")
        .args(["-t1", "-c32", "-d5s", "--latency", &url])
        .output();
    let Ok(polls) = polls else { return };
    let text = String::from_utf8_lossy(&polls.stdout);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or("unknown").trim().to_owned()
    };
    let said = format!("{}/s, p99 {}", value("Requests/sec:"), value("99%"));
    report.note("polls of readiness, `wrk -t1 -c32` (for information)", said);
}
