use std::net::IpAddr;

use budgetd::config::Limits;
use budgetd::limits::{Decision, Kind, RateLimiter, Subject};
use futures_util::future::join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::{AT_ONCE, DEADLINE, Stand, calls};
use crate::support::{Redis, RedisOptions};

const FEW: Limits = Limits {
    reads_per_minute: 20,
    writes_per_minute: 10,
};

fn user() -> Subject {
    Subject::User(Uuid::new_v4())
}

fn limiter(stand: &Stand) -> RateLimiter {
    RateLimiter::new(&FEW, stand.client.clone())
}

/// How many of so many requests at once are let in.
async fn allowed(limiter: &RateLimiter, subject: Subject, kind: Kind, requests: usize) -> usize {
    let decisions = join_all((0..requests).map(|_| limiter.check(subject, kind))).await;
    decisions.iter().filter(|decision| decision.allowed).count()
}

#[tokio::test]
async fn instances_count_together_and_kinds_and_clients_apart() {
    let redis = Redis::start().await;
    let (one, two) = (Stand::open(&redis).await, Stand::open(&redis).await);
    let (one, two) = (limiter(&one), limiter(&two));
    let (ann, bob) = (user(), Subject::Address(IpAddr::from([192, 0, 2, 1])));
    let (here, there) = tokio::join!(
        allowed(&one, ann, Kind::Read, 50),
        allowed(&two, ann, Kind::Read, 50)
    );
    assert_eq!(here + there, 20);
    assert_eq!(allowed(&two, ann, Kind::Write, 50).await, 10);
    assert_eq!(allowed(&two, bob, Kind::Read, 50).await, 20);
    assert!(calls(&redis, "evalsha").await >= 200);
    let keys = redis.command(&["KEYS", "*"]).await;
    assert!(
        keys.contains("budgetd:limit:1:read:address:192.0.2.1"),
        "{keys}"
    );
}

#[tokio::test]
async fn a_client_is_told_where_it_stands() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    let (limiter, ann) = (limiter(&stand), user());
    for left in (0..10).rev() {
        let decision = limiter.check(ann, Kind::Write).await;
        assert!(decision.allowed);
        assert_eq!((decision.limit, decision.remaining), (10, left));
        assert!((1..=60).contains(&decision.reset_seconds), "{decision:?}");
        assert_eq!(decision.retry_after, None);
    }
    let decision = limiter.check(ann, Kind::Write).await;
    assert!(!decision.allowed);
    assert_eq!((decision.limit, decision.remaining), (10, 0));
    // Until the first of them is forgotten.
    let wait = decision.retry_after.unwrap();
    assert!((50..=60).contains(&wait), "{decision:?}");
    assert_eq!(Decision::WINDOW_SECONDS, 60);
}

/// The script against what the window is said to be, in states that a test
/// could not wait for.
#[tokio::test]
async fn the_script_counts_as_the_window_does() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    let limiter = limiter(&stand);
    let time = redis.command(&["TIME"]).await;
    let now: i64 = time.lines().nth(2).unwrap().parse().unwrap();
    // How many seconds ago so many requests were allowed, and what 10 allow.
    for (log, remaining, wait) in [
        (&[(30, 9)][..], Some(0), None),
        (&[(30, 10)], None, Some(25..=30)),
        (&[(59, 1), (30, 9)], None, Some(1..=1)),
        // A minute is over for some of them.
        (&[(61, 10)], Some(9), None),
        (&[(70, 10), (30, 4)], Some(5), None),
        (&[(70, 10), (30, 10)], None, Some(25..=30)),
        // The clock of the server was set back, a little and by much.
        (&[(-40, 10)], None, Some(60..=60)),
        (&[(-500, 10)], Some(9), None),
        // The limit was higher.
        (&[(50, 190), (30, 10)], None, Some(25..=30)),
    ] {
        let ann = Uuid::new_v4();
        let key = format!("budgetd:limit:1:write:user:{ann}");
        let times = log.iter().flat_map(|&(age, count)| {
            let at = ((now - age) * 1_000).to_string();
            std::iter::repeat_n(at, count)
        });
        let times: Vec<String> = times.collect();
        let words = ["RPUSH", &key].into_iter();
        let push: Vec<&str> = words.chain(times.iter().map(String::as_str)).collect();
        redis.command(&push).await;
        let decision = limiter.check(Subject::User(ann), Kind::Write).await;
        let state = format!("{log:?}: {decision:?}");
        assert_eq!(decision.allowed, remaining.is_some(), "{state}");
        assert_eq!(decision.remaining, remaining.unwrap_or(0), "{state}");
        match wait {
            None => assert_eq!(decision.retry_after, None, "{state}"),
            Some(range) => {
                let wait = decision.retry_after.unwrap_or_else(|| panic!("{state}"));
                assert!(range.contains(&wait), "{state}");
            }
        }
    }
}

#[tokio::test]
async fn counts_are_forgotten_by_redis() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    let ann = Uuid::new_v4();
    limiter(&stand).check(Subject::User(ann), Kind::Read).await;
    let key = format!("budgetd:limit:1:read:user:{ann}");
    let left = redis.command(&["TTL", &key]).await;
    assert!([":60\r\n", ":59\r\n"].contains(&left.as_str()), "{left}");
}

#[tokio::test]
async fn without_redis_each_instance_counts_for_itself() {
    let redis = Redis::start().await;
    let off = [("REDIS_ENABLED", "false")];
    let (one, two) = (
        Stand::new(&redis.url(), &off),
        Stand::new(&redis.url(), &off),
    );
    let (one, two) = (limiter(&one), limiter(&two));
    let ann = user();
    assert_eq!(allowed(&one, ann, Kind::Read, 50).await, 20);
    assert_eq!(allowed(&two, ann, Kind::Read, 50).await, 20);
    assert_eq!(allowed(&one, ann, Kind::Write, 50).await, 10);
    assert_eq!(allowed(&one, user(), Kind::Read, 50).await, 20);
    let decision = one.check(ann, Kind::Read).await;
    let wait = decision.retry_after.unwrap();
    assert!((55..=60).contains(&wait), "{decision:?}");

    let more = Limits {
        reads_per_minute: 25,
        ..FEW
    };
    one.reconfigure(&more);
    assert_eq!(allowed(&one, ann, Kind::Read, 50).await, 5);
}

#[tokio::test]
async fn a_frozen_redis_costs_one_deadline_once_and_limits_go_on() {
    let redis = Redis::start().await;
    let mut stand = Stand::open(&redis).await;
    let limiter = limiter(&stand);
    let ann = user();
    redis.freeze();
    let begin = Instant::now();
    assert_eq!(allowed(&limiter, ann, Kind::Read, 50).await, 20);
    let waited = begin.elapsed();
    assert!(
        waited >= DEADLINE && waited < DEADLINE + AT_ONCE,
        "{waited:?}"
    );
    assert_eq!(allowed(&limiter, user(), Kind::Read, 50).await, 20);
    assert!(begin.elapsed() < waited + AT_ONCE, "{:?}", begin.elapsed());
    redis.thaw();
    stand.check_passes().await;
    // What was asked while it was frozen may have been counted there, too.
    assert_eq!(allowed(&limiter, user(), Kind::Read, 50).await, 20);
    assert!(calls(&redis, "evalsha").await >= 50);
}

#[tokio::test]
async fn a_redis_that_cannot_count_leaves_it_to_the_instance() {
    let full = Redis::start().await;
    full.command(&["SET", "a", "1"]).await;
    full.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let replica = RedisOptions::default()
        .setting("replicaof", &format!("127.0.0.1 {}", full.port()))
        .start()
        .await;
    for redis in [&full, &replica] {
        let stand = Stand::open(redis).await;
        let limiter = limiter(&stand);
        assert_eq!(allowed(&limiter, user(), Kind::Write, 30).await, 10);
        assert_eq!(stand.hints(), 0);
        assert!(!stand.client.is_bypassed(), "it may still be read");
    }
}

#[tokio::test]
async fn a_redis_that_forgot_the_script_is_told_again() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    let (limiter, ann) = (limiter(&stand), user());
    assert_eq!(allowed(&limiter, ann, Kind::Write, 4).await, 4);
    redis.command(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(allowed(&limiter, ann, Kind::Write, 30).await, 6);
    assert_eq!(stand.hints(), 0);
}
