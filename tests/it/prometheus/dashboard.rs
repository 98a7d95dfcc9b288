//! The dashboard, asked of a real Prometheus that scrapes a real daemon.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::Rig;
use crate::support::{PATIENCE, Port, Prometheus, wait};

fn dashboard() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/etc/grafana/budgetd.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What Grafana puts in place of its variables.
fn filled_in(text: &str) -> String {
    [
        ("$__rate_interval", "1m"),
        ("$instance", ".*"),
        ("$job", "budgetd"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (variable, value)| {
        text.replace(variable, value)
    })
}

/// Every query of every panel, with the panel's title.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = Vec::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().unwrap() {
            let query = filled_in(target["expr"].as_str().unwrap());
            assert!(!query.contains('$'), "{title}: {query}");
            queries.push((title.to_owned(), query));
        }
    }
    queries
}

#[tokio::test]
async fn every_query_finds_something() {
    let (mut rig, nobody) = (Rig::start().await, Port::reserve());
    let prometheus = Prometheus::scraping([rig.daemon.admin(), nobody.number()]).await;
    let dashboard = dashboard();
    let queries = queries(&dashboard);
    assert!(queries.len() > 30, "{queries:?}");

    // A rate needs something that happens between two looks.
    let with_redis = r#"rate(budgetd_cache_operation_duration_seconds_count{operation="get"}[1m])"#;
    wait::until("operations of Redis are seen", PATIENCE, async || {
        rig.work().await;
        let found = prometheus.query(with_redis).await;
        found.iter().any(|series| series.value > 0.0).then_some(())
    })
    .await;
    rig.lose_redis().await;
    for (title, query) in queries {
        let what = format!("{title} can be drawn: {query}");
        wait::until(what, PATIENCE, async || {
            let found = prometheus.query(&query).await;
            if found.iter().any(|series| series.value.is_finite()) {
                return Some(());
            }
            rig.work().await;
            None
        })
        .await;
    }

    // These mark what happens seldom: they have to be understood.
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let query = filled_in(annotation["expr"].as_str().unwrap());
        prometheus.query(&query).await;
    }
    for (variable, values) in [("job", 1), ("instance", 1)] {
        let found = choices(&prometheus, &dashboard, variable).await;
        assert_eq!(found.len(), values, "{variable}: {found:?}");
    }
}

/// What Grafana offers for a variable.
async fn choices(prometheus: &Prometheus, dashboard: &Value, variable: &str) -> Vec<Value> {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let found = variables.iter().find(|found| found["name"] == variable);
    let query = filled_in(found.unwrap()["query"].as_str().unwrap());
    let inside = query.strip_prefix("label_values(").unwrap();
    let (series, label) = inside.trim_end_matches(')').rsplit_once(", ").unwrap();
    let series = utf8_percent_encode(series, NON_ALPHANUMERIC);
    let path = format!("label/{label}/values?match[]={series}");
    prometheus.ask(&path).await.as_array().unwrap().clone()
}

#[test]
fn panels_have_places_of_their_own() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            assert!(x < 24, "{panel}");
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
}
