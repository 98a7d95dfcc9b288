//! What is counted.

use budgetd::cache::{Computed, Key, ReadThrough};
use budgetd::config::Limits;
use budgetd::health::Status;
use budgetd::limits::{Kind, RateLimiter, Subject};
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;
use uuid::Uuid;

use super::Stand;
use crate::support::Redis;

/// The value of a series in what was rendered.
fn value(registry: &Registry, series: &str) -> String {
    let mut text = String::new();
    encode(&mut text, registry).expect("a string takes everything");
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let mut values = lines.filter(|(name, _)| *name == series);
    let value = values.next().map(|(_, value)| value.to_owned());
    value.unwrap_or_else(|| panic!("no {series} in {text}"))
}

#[tokio::test]
async fn everything_is_counted() {
    let redis = Redis::start().await;
    let mut stand = Stand::open(&redis).await;
    let cache = ReadThrough::<&str>::new(&stand.config, stand.client.clone());
    let limits = Limits {
        reads_per_minute: 1,
        writes_per_minute: 1,
    };
    let limiter = RateLimiter::new(&limits, stand.client.clone());
    let mut registry = Registry::default();
    stand.client.meters().register(&mut registry);
    cache.meters().register(&mut registry);
    limiter.meters().register(&mut registry);
    assert_eq!(value(&registry, "budgetd_cache_bypassed"), "0");
    let ann = Subject::User(Uuid::new_v4());
    let get = async |number: usize| {
        let key = Key::new("summary", number, "a");
        let computed = Computed {
            key: key.clone(),
            body: "{}".into(),
        };
        cache.get(key, async { Ok(computed) }).await.unwrap();
    };

    get(1).await;
    get(1).await;
    limiter.check(ann, Kind::Read).await;
    limiter.check(ann, Kind::Read).await;
    redis.freeze();
    get(2).await;
    limiter.check(ann, Kind::Read).await;
    stand.checked(Status::Error);
    stand.until_bypassed(true).await;

    for (series, expected) in [
        (r#"budgetd_cache_requests_total{result="hit"}"#, "1"),
        (r#"budgetd_cache_requests_total{result="miss"}"#, "1"),
        (r#"budgetd_cache_requests_total{result="bypass"}"#, "1"),
        ("budgetd_cache_memory_hits_total", "1"),
        ("budgetd_cache_computed_total", "2"),
        ("budgetd_cache_bypassed", "1"),
        (r#"budgetd_cache_faults_total{error_kind="timeout"}"#, "1"),
        (
            r#"budgetd_cache_operations_total{operation="get",result="answered"}"#,
            "1",
        ),
        (
            r#"budgetd_cache_operations_total{operation="get",result="failed"}"#,
            "1",
        ),
        (
            r#"budgetd_cache_operations_total{operation="script",result="bypassed"}"#,
            "1",
        ),
        (
            r#"budgetd_cache_operation_failures_total{operation="get",error_kind="timeout"}"#,
            "1",
        ),
        (
            r#"budgetd_cache_operation_duration_seconds_count{operation="get"}"#,
            "2",
        ),
        (
            r#"budgetd_rate_limit_requests_total{kind="read",counted_in="redis",result="allowed"}"#,
            "1",
        ),
        (
            r#"budgetd_rate_limit_requests_total{kind="read",counted_in="redis",result="limited"}"#,
            "1",
        ),
        (
            r#"budgetd_rate_limit_requests_total{kind="read",counted_in="instance",result="allowed"}"#,
            "1",
        ),
    ] {
        assert_eq!(value(&registry, series), expected, "{series}");
    }
}
