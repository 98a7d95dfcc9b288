//! `/health/cache`, the one health path that asks.

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::support::{DaemonOptions, Redis, RedisOptions};

#[tokio::test]
async fn it_tells_what_redis_tells() {
    let redis = RedisOptions::default().password("sesame").start().await;
    for name in ["a", "b", "c"] {
        redis.command(&["SET", name, "1"]).await;
    }
    let daemon = DaemonOptions::default().cache(&redis.url()).serve().await;
    daemon.until_status("cache", "ok").await;
    for answer in [
        daemon.get("/health/cache").await.unwrap(),
        daemon.ask("/health/cache").await,
    ] {
        assert_eq!(answer.code, 200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let statistics = answer.json();
        assert_eq!(statistics["status"], "enabled");
        assert_eq!(statistics["total_keys"], 3);
        for key in [
            "connected_clients",
            "used_memory",
            "hits",
            "misses",
            "uptime_seconds",
        ] {
            assert!(statistics[key].is_u64(), "{key} in {statistics}");
        }
        assert!(statistics["hit_rate"].is_f64(), "{statistics}");
        assert!(statistics["redis_version"].as_str().unwrap().contains('.'));
    }
}

#[tokio::test]
async fn it_asks_at_most_once_a_second() {
    let redis = Redis::start().await;
    let daemon = DaemonOptions::default().cache(&redis.url()).serve().await;
    daemon.until_status("cache", "ok").await;
    let begin = Instant::now();
    for _ in 0..20 {
        let answers = join_all((0..10).map(|_| daemon.ask("/health/cache"))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.json()["status"] == "enabled")
        );
    }
    let most = begin.elapsed().as_secs() + 1;
    let statistics = redis.command(&["INFO", "commandstats"]).await;
    let line = statistics
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_dbsize:calls="));
    let line = line.unwrap_or_else(|| panic!("never asked: {statistics}"));
    let asked: u64 = line.split(',').next().unwrap().parse().unwrap();
    assert!(
        (1..=most).contains(&asked),
        "asked {asked} times in {most} s"
    );
}

#[tokio::test]
async fn a_frozen_redis_keeps_it_no_longer_than_a_check() {
    let redis = Redis::start().await;
    let daemon = DaemonOptions::default()
        .cache(&redis.url())
        .variable("REDIS_SOCKET_TIMEOUT", "0.3")
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    redis.freeze();
    let begin = Instant::now();
    let answers = join_all((0..10).map(|_| daemon.get("/health/cache"))).await;
    // All of them waited for one question; ten would take three seconds.
    assert!(begin.elapsed().as_secs_f64() < 2.5, "{:?}", begin.elapsed());
    for answer in answers {
        let answer = answer.unwrap();
        assert_eq!(answer.code, 200);
        let document = answer.json();
        assert_eq!(document["status"], "error", "{document}");
        assert_eq!(document["error_kind"], "timeout", "{document}");
    }
    redis.thaw();
    daemon.until_status("cache", "ok").await;
}

#[tokio::test]
async fn without_a_cache_it_says_so() {
    let daemon = DaemonOptions::default().serve().await;
    let answer = daemon.get("/health/cache").await.unwrap();
    assert_eq!(
        (answer.code, &*answer.body),
        (200, r#"{"status":"disabled"}"#)
    );

    let mut redis = Redis::start().await;
    let daemon = DaemonOptions::default().cache(&redis.url()).serve().await;
    daemon.until_status("cache", "ok").await;
    redis.kill().await;
    daemon.until_status("cache", "error").await;
    let document = daemon.get("/health/cache").await.unwrap().json();
    assert_eq!(document["status"], "error");
    assert_eq!(document["error_kind"], "refused");
}
