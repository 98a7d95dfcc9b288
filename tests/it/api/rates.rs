//! How many requests a minute are answered.

use serde_json::json;

use super::Rig;
use crate::support::caller::{Caller, claims};
use crate::support::{DaemonOptions, Redis};

fn limits(options: DaemonOptions) -> DaemonOptions {
    options
        .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "5")
        .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "2")
}

async fn exhaust(caller: &Caller) -> usize {
    let mut passed = 0;
    loop {
        let answer = caller.get("/budget-versions").await;
        let reset = answer.header("x-ratelimit-reset").unwrap().parse();
        assert!((1..=60).contains(&reset.unwrap()), "{:?}", answer.headers);
        if answer.code == 429 {
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
            assert_eq!(
                answer.json(),
                json!({"detail": "Rate limit exceeded", "retry_after": seconds, "limit": 5, "window": 60})
            );
            assert_eq!(answer.header("x-ratelimit-limit"), Some("5"));
            assert_eq!(answer.header("x-ratelimit-remaining"), Some("0"));
            return passed;
        }
        passed += 1;
        assert!(passed <= 5, "it is never limited");
        let remaining = (5 - passed).to_string();
        assert_eq!(
            answer.header("x-ratelimit-remaining"),
            Some(remaining.as_str())
        );
    }
}

#[tokio::test]
async fn users_are_limited_each_for_themselves() {
    let rig = Rig::with(limits).await;
    let reader = rig.caller("planner");
    assert_eq!(exhaust(&reader).await, 5);
    // Writes have a count of their own, other users theirs; health has none.
    let body = json!({"name": "x"});
    assert_eq!(
        reader.post("/budget-versions", body.clone()).await.code,
        422
    );
    assert_eq!(
        reader.post("/budget-versions", body.clone()).await.code,
        422
    );
    assert_eq!(reader.post("/budget-versions", body).await.code, 429);
    let other = Caller::with_claims(
        &rig.daemon,
        &claims("00000000-0000-4000-8000-00000000beef", "viewer"),
    );
    assert_eq!(exhaust(&other).await, 5);
    for _ in 0..20 {
        assert_eq!(rig.daemon.get("/health/ready").await.unwrap().code, 200);
    }
}

#[tokio::test]
async fn who_has_no_token_is_limited_by_address() {
    // Those whom it names are proxies, and who sends it is none.
    let rig =
        Rig::with(|options| limits(options).config("[api]\ntrusted_proxies = ['192.0.2.0/24']"))
            .await;
    let anonymous = Caller::anonymous(&rig.daemon);
    for forwarded in [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "192.0.2.5",
    ] {
        // Nobody is believed who is not a configured proxy.
        let answer = anonymous
            .with("x-forwarded-for", forwarded)
            .get("/budget-versions")
            .await;
        assert_eq!(answer.code, 401);
    }
    assert_eq!(anonymous.get("/budget-versions").await.code, 429);
    assert_eq!(rig.caller("viewer").get("/budget-versions").await.code, 200);
}

#[tokio::test]
async fn behind_a_proxy_each_address_is_limited_for_itself() {
    let rig =
        Rig::with(|options| limits(options).config("[api]\ntrusted_proxies = ['127.0.0.0/8']"))
            .await;
    let from = |forwarded: &str| Caller::anonymous(&rig.daemon).with("x-forwarded-for", forwarded);
    assert_eq!(exhaust(&from("192.0.2.1")).await, 5);
    assert_eq!(exhaust(&from("192.0.2.2")).await, 5);
    // What the client itself has put in front of its address tells nothing.
    let pretending = from("198.51.100.7, 192.0.2.1");
    assert_eq!(pretending.get("/budget-versions").await.code, 429);
    assert_eq!(exhaust(&Caller::anonymous(&rig.daemon)).await, 5);
}

#[tokio::test]
async fn instances_count_together_in_redis_and_alone_without() {
    let mut redis = Redis::start().await;
    let url = redis.url();
    let first = Rig::with(|options| limits(options).cache(&url)).await;
    let second = Rig::with(|options| limits(options).cache(&url)).await;
    for rig in [&first, &second] {
        rig.daemon.until_status("cache", "ok").await;
    }
    assert_eq!(exhaust(&first.caller("viewer")).await, 5);
    assert_eq!(
        second.caller("viewer").get("/budget-versions").await.code,
        429
    );

    redis.kill().await;
    for rig in [&first, &second] {
        rig.daemon.until_status("cache", "error").await;
        let user = claims("00000000-0000-4000-8000-00000000feed", "viewer");
        assert_eq!(exhaust(&Caller::with_claims(&rig.daemon, &user)).await, 5);
    }
}
