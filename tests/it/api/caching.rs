//! The cache makes reads cheaper, and nothing else.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Rig;
use super::blocker::Blocker;
use crate::support::caller::{Caller, below};
use crate::support::{
    Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Postgres, Redis, RedisOptions, Talker, wait,
};

async fn version_with_a_line(planner: &Caller) -> (Value, String) {
    let version = planner.create("Budget", 2026).await;
    add(planner, &version).await;
    let path = format!("/consolidation/{}/summary", version["id"].as_str().unwrap());
    (version, path)
}

/// Adds 1.00 of revenue.
async fn add(planner: &Caller, version: &Value) {
    let line = json!({"account_code": "7011", "account_name": "a", "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"});
    let created = planner.post(&below(version, "/lines"), line).await;
    assert_eq!(created.code, 201, "{}", created.body);
}

async fn rig_with_cache(url: &str) -> Rig {
    let rig = Rig::with(|options: DaemonOptions| options.cache(url)).await;
    rig.daemon.until_status("cache", "ok").await;
    rig
}

#[tokio::test]
async fn the_second_read_is_a_hit_here_and_on_other_instances() {
    let redis = Redis::start().await;
    let rig = rig_with_cache(&redis.url()).await;
    let planner = rig.caller("planner");
    let (version, path) = version_with_a_line(&planner).await;
    let id = version["id"].as_str().unwrap();
    let paths = [
        path.clone(),
        format!("/consolidation/{id}"),
        format!("/consolidation/{id}/statements/periods"),
        format!("/consolidation/{id}/statements/income"),
        format!("/analysis/compare?base={id}&other={id}"),
    ];
    for path in &paths {
        let miss = planner.get(path).await;
        assert_eq!(
            (miss.code, miss.header("x-cache")),
            (200, Some("miss")),
            "{path}: {}",
            miss.body
        );
        let hit = planner.get(path).await;
        assert_eq!(
            (hit.code, hit.header("x-cache")),
            (200, Some("hit")),
            "{path}"
        );
        assert_eq!(
            (&hit.body, hit.header("etag")),
            (&miss.body, miss.header("etag"))
        );
    }
    // Another instance finds in Redis what this one has put there; the write
    // goes beside the response, so it may take a moment.
    let other = DaemonOptions::default()
        .brisk()
        .database(&rig.database.url())
        .cache(&redis.url())
        .tokens()
        .serve()
        .await;
    other.until_status("cache", "ok").await;
    let there = Caller::new(&other, "viewer");
    let read = there.get(&path).await;
    assert_eq!(
        (read.code, read.header("x-cache")),
        (200, Some("hit")),
        "{}",
        read.body
    );

    add(&planner, &version).await;
    let fresh = there.get(&path).await;
    assert_eq!(
        (fresh.header("x-cache"), &fresh.json()["total_revenue"]),
        (Some("miss"), &json!("2.00"))
    );
    let fresh = planner.get(&path).await;
    assert_eq!(fresh.json()["total_revenue"], "2.00");
    let metrics = rig.daemon.ask("/metrics").await.body;
    assert!(
        metrics.contains("budgetd_cache_requests_total{result=\"hit\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_cache_that_fails_in_any_way_is_passed_by() {
    let mut redis = RedisOptions::default().start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let rig = rig_with_cache(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    let planner = rig.caller("planner");
    let (version, path) = version_with_a_line(&planner).await;
    let mut expected = 1;
    for mode in [Mode::Stall, Mode::Garble, Mode::Refuse] {
        proxy.set(mode).await;
        if mode == Mode::Refuse {
            proxy.cut();
        }
        // Correct whatever the cache does; from the second on nobody waits for
        // it, although it was not declared down yet.
        for _ in 0..3 {
            add(&planner, &version).await;
            expected += 1;
            let read = planner.get(&path).await;
            assert_eq!(read.code, 200, "{mode:?}: {}", read.body);
            assert_eq!(
                read.json()["total_revenue"],
                format!("{expected}.00"),
                "{mode:?}"
            );
        }
        let read = planner.get(&path).await;
        assert_ne!(read.header("x-cache"), Some("miss"), "{mode:?}");
        rig.daemon.until_status("cache", "error").await;
        add(&planner, &version).await;
        expected += 1;
        let bypass = planner.get(&path).await;
        assert_eq!(
            (bypass.code, bypass.header("x-cache")),
            (200, Some("bypass")),
            "{mode:?}"
        );
        proxy.set(Mode::Pass).await;
        rig.daemon.until_status("cache", "ok").await;
        add(&planner, &version).await;
        expected += 1;
        let read = planner.get(&path).await;
        assert_eq!(
            (read.header("x-cache"), &read.json()["total_revenue"]),
            (Some("miss"), &json!(format!("{expected}.00")))
        );
    }
    // Full: nothing can be kept, everything can be read.
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    redis
        .command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"])
        .await;
    add(&planner, &version).await;
    let read = planner.get(&path).await;
    assert_eq!(
        (read.code, &read.json()["total_revenue"]),
        (200, &json!(format!("{}.00", expected + 1)))
    );
    redis.kill().await;
    assert_eq!(planner.get(&path).await.code, 200);
}

#[tokio::test]
async fn a_frozen_cache_is_waited_for_once_and_by_no_later_request() {
    let redis = Redis::start().await;
    // Only requests notice, and no check passes before they are counted.
    let rig = Rig::with(|options: DaemonOptions| {
        let options = options.cache(&redis.url());
        options.variable("BUDGETD__CHECKS__INTERVAL", "1h")
    })
    .await;
    rig.daemon.until_status("cache", "ok").await;
    let planner = rig.caller("planner");
    let (_, path) = version_with_a_line(&planner).await;
    // It was asked before, so there is a connection.
    wait::until("the cache is used", PATIENCE, async || {
        let metrics = rig.daemon.ask("/metrics").await.body;
        metrics.contains("budgetd_cache_bypassed 0").then_some(())
    })
    .await;
    redis.freeze();
    // Each asks twice: for the rate, and for the value.
    let together = join_all((0..20).map(|_| planner.get(&path))).await;
    let mut answers = together;
    for _ in 0..5 {
        answers.push(planner.get(&path).await);
    }
    for answer in &answers {
        assert_eq!(answer.code, 200, "{}", answer.body);
    }
    let metrics = rig.daemon.ask("/metrics").await.body;
    let failed: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("budgetd_cache_operations_total{"))
        .filter(|line| line.contains("result=\"failed\""))
        .collect();
    let once = r#"budgetd_cache_operations_total{operation="script",result="failed"} 1"#;
    assert_eq!(failed, [once], "{metrics}");
    let faults = r#"budgetd_cache_faults_total{error_kind="timeout"} 1"#;
    assert!(metrics.contains(faults), "{metrics}");
}

#[tokio::test]
async fn whoever_speaks_garbage_on_the_port_is_no_cache() {
    let talker = Talker::says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let rig = Rig::with(|options: DaemonOptions| {
        options.cache(&format!("redis://127.0.0.1:{}", talker.port()))
    })
    .await;
    let planner = rig.caller("planner");
    let (_, path) = version_with_a_line(&planner).await;
    for _ in 0..3 {
        let read = planner.get(&path).await;
        assert_eq!(
            (read.code, &read.json()["total_revenue"]),
            (200, &json!("1.00"))
        );
    }
}

/// Whoever reads lines waits for it.
async fn blocker_of_lines(database: &Postgres) -> Blocker {
    let lock = "LOCK TABLE budgetd.budget_lines IN ACCESS EXCLUSIVE MODE";
    Blocker::holding(database, lock).await
}

/// Waits until so many requests are being answered.
async fn until_in_flight(daemon: &Daemon, count: usize) {
    let gauge = format!("budgetd_http_requests_in_flight{{listener=\"api\"}} {count}");
    wait::until("all have arrived", PATIENCE, async || {
        let metrics = daemon.ask("/metrics").await.body;
        metrics.lines().any(|line| line == gauge).then_some(())
    })
    .await;
}

#[tokio::test]
async fn concurrent_misses_compute_once() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let (_, path) = version_with_a_line(&planner).await;
    // The computing waits for the lock; so everyone is there before it ends.
    let blocker = blocker_of_lines(&rig.database).await;
    let reads = join_all((0..50).map(|_| planner.get(&path)));
    let release = async {
        blocker.until_waiting(1).await;
        until_in_flight(&rig.daemon, 50).await;
        assert_eq!(blocker.waiting().await, 1, "one computes for all");
        blocker.release().await;
    };
    let (answers, ()) = tokio::join!(reads, release);
    for answer in answers {
        assert_eq!(
            (answer.code, &answer.json()["total_revenue"]),
            (200, &json!("1.00"))
        );
        // Whoever was still learning the revision found it computed.
        assert!(["bypass", "hit"].contains(&answer.header("x-cache").unwrap()));
    }
    let metrics = rig.daemon.ask("/metrics").await.body;
    assert!(
        metrics.contains("\nbudgetd_cache_computed_total 1\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_is_cached_is_answered_while_slow_reads_hold_what_they_may_of_the_pool() {
    let rig =
        Rig::with(|options: DaemonOptions| options.variable("BUDGETD__DATABASE__POOL_SIZE", "4"))
            .await;
    let planner = rig.caller("planner");
    let (_, cached) = version_with_a_line(&planner).await;
    assert_eq!(planner.get(&cached).await.code, 200);
    let mut slow = Vec::new();
    for year in 2050..2054 {
        let version = planner.create("Slow", year).await;
        slow.push(format!(
            "/consolidation/{}",
            version["id"].as_str().unwrap()
        ));
    }
    let blocker = blocker_of_lines(&rig.database).await;
    let reads = join_all(slow.iter().map(|path| planner.get(path)));
    let meanwhile = async {
        until_in_flight(&rig.daemon, slow.len()).await;
        blocker.until_waiting(3).await;
        let answer = planner.get(&cached).await;
        assert_eq!(
            (answer.code, answer.header("x-cache")),
            (200, Some("hit")),
            "{}",
            answer.body
        );
        assert_eq!(blocker.waiting().await, 3, "one connection is kept");
        blocker.release().await;
    };
    let (answers, ()) = tokio::join!(reads, meanwhile);
    for answer in answers {
        assert_eq!(answer.code, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn with_the_database_down_requests_are_refused_at_once() {
    let mut rig = Rig::start().await;
    let planner = rig.caller("planner");
    let (_, path) = version_with_a_line(&planner).await;
    rig.database.freeze();
    rig.daemon.until_status("database", "error").await;
    let began = Instant::now();
    let refused = planner.get(&path).await;
    assert_eq!(refused.code, 503, "{}", refused.body);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds));
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "it waited for what is down"
    );
    rig.database.thaw();
    rig.daemon.until_status("database", "ok").await;
    assert_eq!(planner.get(&path).await.code, 200);
    rig.database.kill().await;
}
