//! The configuration and the rules at work.

use super::Rig;
use crate::support::{PATIENCE, Port, Prometheus, wait};

#[tokio::test]
async fn instances_are_scraped_and_every_rule_can_be_evaluated() {
    let (mut rig, nobody) = (Rig::start().await, Port::reserve());
    let prometheus = Prometheus::scraping([rig.daemon.admin(), nobody.number()]).await;
    rig.work().await;
    wait::until("both are looked at", PATIENCE, async || {
        let mut up = prometheus.query("up{job=\"budgetd\"}").await;
        up.sort_by(|one, other| one.value.total_cmp(&other.value));
        let up: Vec<_> = up
            .iter()
            .map(|series| (series.labels["instance"].as_str(), series.value))
            .collect();
        let address = |port: u16| format!("127.0.0.1:{port}");
        let (dead, alive) = (address(nobody.number()), address(rig.daemon.admin()));
        (up == [(Some(&*dead), 0.0), (Some(&*alive), 1.0)]).then_some(())
    })
    .await;

    // What one is down for, an alert is pending: `for` is a minute and more.
    rig.lose_redis().await;
    let pending = r#"ALERTS{alertstate="pending", alertname=~"BudgetdAbsent|BudgetdDegraded"}"#;
    wait::until("alerts are pending", PATIENCE, async || {
        (prometheus.query(pending).await.len() == 2).then_some(())
    })
    .await;

    // Labels that do not match fail only where there are series to match.
    let rules = prometheus.ask("rules").await;
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<_> = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}
