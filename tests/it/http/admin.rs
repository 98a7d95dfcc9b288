//! The paths for operators and scrapers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use hyper::Method;

use super::sample;
use crate::support::{AuthApi, DaemonOptions, Port, Redis, client};

/// A family of the text format: what HELP and TYPE say, and its series.
#[derive(Debug, Default)]
struct Family {
    help: Option<String>,
    kind: Option<String>,
    series: Vec<String>,
}

/// Reads the text format as strictly as `promtool check metrics` does.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    assert!(text.ends_with('\n'), "the last line must end, too");
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, says) = (words.next(), words.next(), words.next());
            let family = families.entry(name.unwrap().to_owned()).or_default();
            assert!(family.series.is_empty(), "{line} comes after its samples");
            let says = says.unwrap_or_default().to_owned();
            let previous = match what {
                Some("HELP") => family.help.replace(says),
                Some("TYPE") => family.kind.replace(says),
                _ => panic!("{line}"),
            };
            assert_eq!(previous, None, "{line} is the second one");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| {
            let base = name.strip_suffix(part)?;
            let kind = families.get(base)?.kind.as_deref()?;
            (kind == "histogram").then(|| base.to_owned())
        });
        let name = base.unwrap_or_else(|| name.to_owned());
        let family = families.get_mut(&name);
        let family = family.unwrap_or_else(|| panic!("{name} has neither HELP nor TYPE"));
        family.series.push(series.to_owned());
    }
    families
}

fn check(name: &str, family: &Family) {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(name.chars().all(legal), "{name}");
    let ours = name.starts_with("budgetd_") || name.starts_with("process_");
    assert!(ours, "{name} does not say whose it is");
    let help = family.help.as_deref().unwrap_or_default();
    assert!(!help.is_empty(), "{name} has no HELP");
    let kind = family.kind.as_deref().unwrap_or_default();
    assert_eq!(
        kind == "counter",
        name.ends_with("_total"),
        "{name} is a {kind}"
    );
    for part in ["_bucket", "_sum", "_count", "_info"] {
        assert!(!name.ends_with(part), "{name} ends like a part of another");
    }
    let words: Vec<&str> = name.split('_').collect();
    for unit in [
        "ms",
        "milliseconds",
        "microseconds",
        "nanoseconds",
        "minutes",
        "hours",
        "kb",
        "mb",
        "kilobytes",
        "megabytes",
        "percent",
    ] {
        assert!(!words.contains(&unit), "{name} is not in a base unit");
    }
    if kind == "histogram" {
        assert!(
            name.ends_with("_seconds") || name.ends_with("_bytes"),
            "{name} has no unit"
        );
        assert!(
            family
                .series
                .iter()
                .any(|series| series.contains("le=\"+Inf\"")),
            "{name}"
        );
    }
    let distinct: BTreeSet<_> = family.series.iter().collect();
    assert_eq!(
        distinct.len(),
        family.series.len(),
        "{name} repeats a series"
    );
    for series in &family.series {
        let labels = series.split_once('{').map_or("", |(_, labels)| labels);
        assert_eq!(
            labels.contains("le=\""),
            kind == "histogram" && series.contains("_bucket{")
        );
    }
}

#[tokio::test]
async fn metrics_follow_the_rules_and_stay_bounded() {
    let redis = Redis::start().await;
    let auth = AuthApi::start().await;
    let gone = Port::reserve();
    let daemon = DaemonOptions::default()
        .cache(&redis.url())
        .variable("SUPABASE_URL", &auth.url())
        .config(&format!(
            "[dependencies.queue]\nkind = 'tcp'\nurl = 'tcp://localhost:{}'\npolicy = 'optional'",
            gone.number()
        ))
        .serve()
        .await;
    daemon.until_status("queue", "error").await;
    daemon.until_status("cache", "ok").await;
    daemon.until_status("supabase_auth", "ok").await;
    for path in ["/", "/nowhere", "/health", "/health/cache", "/docs/"] {
        daemon.get(path).await.unwrap();
    }
    let text = daemon.ask("/metrics").await;
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let all = families(&text.body);
    for (name, family) in &all {
        check(name, family);
    }
    for name in [
        "budgetd_phase",
        "budgetd_gate_open",
        "budgetd_ready",
        "budgetd_dependency_up",
        "budgetd_dependency_status",
        "budgetd_check_duration_seconds",
        "budgetd_check_failures_total",
        "budgetd_dependency_transitions_total",
        "budgetd_monitor_restarts_total",
        "budgetd_http_requests_total",
        "budgetd_http_request_duration_seconds",
        "budgetd_http_requests_in_flight",
        "budgetd_http_connections",
        "budgetd_log_lines_dropped_total",
        "budgetd_runtime_alive_tasks",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(all.contains_key(name), "{name} not in:\n{}", text.body);
    }
    let value = |series: &str| sample(&text.body, series);
    assert!(value("budgetd_phase{phase=\"serving\"}") > 0.5);
    assert!(value("budgetd_dependency_up{dependency=\"cache\"}") > 0.5);
    assert!(value("budgetd_dependency_up{dependency=\"queue\"}") < 0.5);
    let failures = "budgetd_check_failures_total{dependency=\"queue\",error_kind=\"refused\"}";
    assert!(value(failures) >= 3.0);

    // Whatever clients make up becomes no label.
    let make_up = async |round: &str| -> BTreeSet<String> {
        for number in 0..20 {
            let method: Method = format!("WORD{round}{number}").parse().unwrap();
            let path = format!("/{round}/{number}?secret={number}");
            for path in [&*path, "/health", "/"] {
                let sent = client::request(daemon.api(), method.clone(), path, &[]);
                sent.await.unwrap();
            }
            let path = format!("/check/{round}{number}");
            let sent = client::request(daemon.admin(), Method::POST, &path, &[]);
            sent.await.unwrap();
        }
        daemon.ask("/metrics").await;
        let all = families(&daemon.ask("/metrics").await.body);
        all.into_values().flat_map(|family| family.series).collect()
    };
    let before = make_up("a").await;
    let after = make_up("b").await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
}

#[tokio::test]
async fn a_check_can_be_asked_for() {
    let redis = Redis::start().await;
    let daemon = DaemonOptions::default()
        .cache(&redis.url())
        .variable("BUDGETD__CHECKS__INTERVAL", "1h")
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    let post = async |name: &str| {
        let path = format!("/check/{name}");
        client::request(daemon.admin(), Method::POST, &path, &[])
            .await
            .unwrap()
    };
    let attempts = async || {
        let status = daemon.ask("/status").await.json();
        let all = status["dependencies"].as_array().unwrap().clone();
        let cache = all
            .iter()
            .find(|entry| entry["name"] == "cache")
            .unwrap()
            .clone();
        cache["attempts"].as_u64().unwrap()
    };
    let before = attempts().await;
    assert_eq!(post("cache").await.code, 202);
    crate::support::wait::until("it is checked", crate::support::PATIENCE, async || {
        (attempts().await > before).then_some(())
    })
    .await;
    assert_eq!(post("nobody").await.code, 404);
    assert_eq!(post("%2e%2e").await.code, 404);
    assert_eq!(post("supabase_auth").await.code, 409);
    let get = daemon.ask("/check/cache").await;
    assert_eq!((get.code, get.header("allow")), (405, Some("POST")));
    let page = daemon.ask("/").await.body;
    for path in [
        "health/live",
        "health/ready",
        "health/cache",
        "status",
        "metrics",
    ] {
        assert!(page.contains(&format!("href=\"{path}\"")), "{path}");
    }
}

#[tokio::test]
async fn it_can_be_left_out() {
    let daemon = DaemonOptions::default()
        .variable("BUDGETD__ADMIN__LISTEN", "")
        .serve()
        .await;
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    let refused = client::get(daemon.admin(), "/health").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    for path in ["/metrics", "/status"] {
        assert_eq!(daemon.get(path).await.unwrap().code, 404, "{path}");
    }
}
