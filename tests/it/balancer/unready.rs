//! With no instance ready, budgetd itself says so.

use rustix::process::Signal;

use super::Rig;
use crate::support::{Balancer, Haproxy, Nginx, PATIENCE, client, wait};

const ORIGIN: &str = "https://planner.example";

async fn nobody_is_ready<B: Balancer>() -> Rig<B> {
    let mut rig = Rig::<B>::start().await;
    let planner = rig.planner().with("origin", ORIGIN);
    planner.create("Budget", 2026).await;
    rig.database.kill().await;
    rig.balancer.until_ready([false, false]).await;

    let port = rig.balancer.port();
    let body = serde_json::json!({"name": "Next", "fiscal_year": 2027});
    // More often than it takes to count an instance out.
    for _ in 0..8 {
        for answer in [
            planner.get("/budget-versions").await,
            planner.post("/budget-versions", body.clone()).await,
            planner
                .with("idempotency-key", "next")
                .post("/budget-versions", body.clone())
                .await,
        ] {
            assert_eq!(answer.code, 503, "{}", answer.body);
            assert_eq!(
                answer.json()["detail"],
                "a required dependency is not available"
            );
            let wait: u8 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=5).contains(&wait));
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.header("x-correlation-id").is_some());
        }
        let health = client::get(port, "/health").await.unwrap();
        assert_eq!(
            (health.code, &health.json()["status"]),
            (200, &"healthy".into())
        );
        let ready = client::get(port, "/health/ready").await.unwrap();
        assert_eq!(
            (ready.code, &ready.json()["checks"]["database"]["status"]),
            (503, &"error".into())
        );
    }

    // The instances answer again the moment they can, whatever the balancer
    // thinks of them.
    rig.database.restart_same_port().await;
    rig.until_status("database", "ok").await;
    assert_eq!(planner.get("/budget-versions").await.code, 200);
    assert_eq!(planner.post("/budget-versions", body).await.code, 201);
    rig
}

/// With no instance at all, the balancer speaks for them.
async fn nobody_is_there<B: Balancer>(mut rig: Rig<B>) {
    for instance in &mut rig.instances {
        instance.signal(Signal::INT);
        assert_eq!(instance.exit().await, 0);
    }
    let planner = rig.planner();
    for _ in 0..8 {
        let answer = planner.get("/budget-versions").await;
        assert_eq!(answer.code, 503, "{}", answer.body);
        assert_eq!(answer.json()["detail"], "the service does not run");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    rig.instances[1].serve_again().await;
    wait::until(
        "the instance that came back answers",
        PATIENCE,
        async || (planner.get("/budget-versions").await.code == 200).then_some(()),
    )
    .await;
}

#[tokio::test]
async fn behind_haproxy_the_503_is_budgetds_own() {
    let rig = nobody_is_ready::<Haproxy>().await;
    let metrics = client::get(rig.balancer.statistics_port(), "/metrics").await;
    assert!(metrics.unwrap().body.contains("haproxy_server_status"));
    nobody_is_there(rig).await;
}

#[tokio::test]
async fn behind_nginx_the_503_is_budgetds_own() {
    let rig = nobody_is_ready::<Nginx>().await;
    nobody_is_there(rig).await;
}
