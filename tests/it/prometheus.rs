//! What Prometheus is told to look at, against what there is to look at.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::caller::Caller;
use crate::support::{Daemon, DaemonOptions, Postgres, Redis, find};

mod dashboard;

mod scrape;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/prometheus");

fn promtool(arguments: &[&str]) {
    let output = Command::new(find("promtool", "prometheus"))
        .args(arguments)
        .current_dir(FOLDER)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_configuration_is_valid() {
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn every_alert_fires_when_it_should() {
    promtool(&["test", "rules", "rules_test.yml"]);
    let read = |name: &str| std::fs::read_to_string(Path::new(FOLDER).join(name)).unwrap();
    let tests = read("rules_test.yml");
    for line in read("rules.yml").lines() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            assert!(
                tests.contains(&format!("alertname: {alert}\n")),
                "{alert} has no test"
            );
        }
    }
}

/// A daemon whose every metric moves, and who makes it move.
struct Rig {
    daemon: Daemon,
    planner: Caller,
    redis: Redis,
    _database: Postgres,
}

impl Rig {
    async fn start() -> Self {
        let (database, redis) = (Postgres::start().await, Redis::start().await);
        let daemon = DaemonOptions::default()
            .brisk()
            .config("[limits]\nwrites_per_minute = 100000\nreads_per_minute = 100000")
            .database(&database.url())
            .cache(&redis.url())
            .tokens()
            .serve()
            .await;
        daemon.until_status("cache", "ok").await;
        Self {
            planner: Caller::new(&daemon, "planner"),
            daemon,
            redis,
            _database: database,
        }
    }

    /// Computes something, finds it in the cache, and leaves nothing behind.
    async fn work(&self) {
        let version = self.planner.create("Budget", 2026).await;
        let id = version["id"].as_str().unwrap();
        let summary = format!("/consolidation/{id}/summary");
        for _ in 0..2 {
            let summary = self.planner.get(&summary).await;
            assert_eq!(summary.code, 200, "{}", summary.body);
        }
        let deleted = self.planner.delete(&format!("/budget-versions/{id}")).await;
        assert_eq!(deleted.code, 204, "{}", deleted.body);
    }

    async fn lose_redis(&mut self) {
        self.redis.kill().await;
        self.daemon.until_status("cache", "error").await;
    }
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("budgetd_"))
        .collect()
}

#[tokio::test]
async fn every_metric_that_is_named_exists() {
    // A metric has no series before there is something to count.
    let mut rig = Rig::start().await;
    rig.work().await;
    rig.lose_redis().await;
    let metrics = rig.daemon.ask("/metrics").await.body;
    let mut known = BTreeSet::new();
    for line in metrics.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            known.insert(name.to_owned());
            if kind == "histogram" {
                known.extend(["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}")));
            }
        }
    }
    for file in ["rules.yml", "../grafana/budgetd.json"] {
        let text = std::fs::read_to_string(Path::new(FOLDER).join(file)).unwrap();
        let named = names(&text);
        assert!(named.len() > 5, "{file}: {named:?}");
        for name in named {
            assert!(
                known.contains(name),
                "{file}: {name} does not exist; there are {known:?}"
            );
        }
    }
}
