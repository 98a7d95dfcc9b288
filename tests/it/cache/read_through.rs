use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use budgetd::cache::{Computed, Found, Key, Outcome, ReadError, ReadThrough};
use budgetd::health::Status;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{AT_ONCE, DEADLINE, Stand};
use crate::support::{PATIENCE, Redis, RedisOptions, wait};

/// A cache in front of something that counts how often it is computed.
struct Front {
    stand: Stand,
    cache: ReadThrough<&'static str>,
    computed: Arc<AtomicUsize>,
    /// Computing waits for leave, where a test says so.
    leave: Arc<Semaphore>,
}

impl Front {
    async fn open(redis: &Redis) -> Self {
        Self::over(Stand::open(redis).await)
    }

    fn over(stand: Stand) -> Self {
        Self {
            cache: ReadThrough::new(&stand.config, stand.client.clone()),
            stand,
            computed: Arc::default(),
            leave: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        }
    }

    /// Another instance over the same Redis, with nothing in its memory.
    fn another(&self) -> ReadThrough<&'static str> {
        ReadThrough::new(&self.stand.config, self.stand.client.clone())
    }

    /// From now on computing waits.
    fn hold(&self) {
        self.leave.forget_permits(Semaphore::MAX_PERMITS);
    }

    fn computed(&self) -> usize {
        self.computed.load(Ordering::SeqCst)
    }

    /// What is computed: a body that names its key.
    fn compute(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Computed, &'static str>> + Send + use<> {
        let (key, computed, leave) = (key.clone(), self.computed.clone(), self.leave.clone());
        async move {
            computed.fetch_add(1, Ordering::SeqCst);
            drop(leave.acquire().await);
            let body = body(&key);
            Ok(Computed { key, body })
        }
    }

    async fn get(&self, key: &Key) -> Found {
        let got = self.cache.get(key.clone(), self.compute(key)).await;
        got.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn until_computing(&self, count: usize) {
        wait::until("it computes", PATIENCE, async || {
            (self.computed() == count).then_some(())
        })
        .await;
    }

    async fn until_kept(&self, redis: &Redis, key: &Key) {
        wait::until("Redis has it", PATIENCE, async || {
            let kept = redis.command(&["EXISTS", key.as_str()]).await;
            (kept == ":1\r\n").then_some(())
        })
        .await;
    }
}

fn key(number: usize) -> Key {
    Key::new("summary", number, "revision")
}

fn body(key: &Key) -> Bytes {
    // Large enough to be compressed.
    format!("[{}]", format!("{:?},", key.as_str()).repeat(100)).into()
}

#[tokio::test]
async fn a_body_is_computed_once_for_all_instances() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    let key = key(1);
    let first = front.get(&key).await;
    assert_eq!(
        (first.outcome, &first.body, &first.key),
        (Outcome::Miss, &body(&key), &key)
    );
    assert_eq!(front.get(&key).await.outcome, Outcome::Hit);
    front.until_kept(&redis, &key).await;
    let left = redis.command(&["TTL", key.as_str()]).await;
    let left: u64 = left.trim().trim_start_matches(':').parse().unwrap();
    assert!((3_200..=3_960).contains(&left), "{left}");

    let other = front.another();
    let found = other.get(key.clone(), front.compute(&key)).await.unwrap();
    assert_eq!((found.outcome, found.body), (Outcome::Hit, body(&key)));
    assert_eq!(front.computed(), 1);

    redis.command(&["FLUSHALL"]).await;
    let found = other.get(key.clone(), front.compute(&key)).await.unwrap();
    assert_eq!(found.outcome, Outcome::Hit, "it is in its memory now");
}

#[tokio::test]
async fn a_newer_body_is_kept_under_its_own_revision() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    let (asked, newer) = (Key::new("summary", 1, "a"), Key::new("summary", 1, "b"));
    let found = front.cache.get(asked.clone(), front.compute(&newer)).await;
    assert_eq!(found.unwrap().key.revision(), "b");
    front.until_kept(&redis, &newer).await;
    assert_eq!(front.get(&newer).await.outcome, Outcome::Hit);
    assert_eq!(front.get(&asked).await.outcome, Outcome::Miss);
    assert_eq!(front.computed(), 2);
}

#[tokio::test]
async fn many_who_want_the_same_compute_it_once() {
    let redis = Redis::start().await;
    let on = Front::open(&redis).await;
    let off = Front::over(Stand::new(&redis.url(), &[("REDIS_ENABLED", "false")]));
    for (front, outcome) in [(on, Outcome::Miss), (off, Outcome::Bypass)] {
        front.hold();
        let key = key(1);
        let all = join_all((0..200).map(|_| front.get(&key)));
        let release = async {
            front.until_computing(1).await;
            front.leave.add_permits(1);
        };
        let (found, ()) = tokio::join!(all, release);
        assert!(found.iter().all(|found| found.outcome == outcome));
        assert!(found.iter().all(|found| found.body == body(&key)));
        assert_eq!(front.computed(), 1);
    }
}

#[tokio::test]
async fn whoever_began_computing_may_leave() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    front.hold();
    let key = key(1);
    let mut first = Box::pin(front.get(&key));
    assert!((&mut first).now_or_never().is_none());
    front.until_computing(1).await;
    let mut second = Box::pin(front.get(&key));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    front.leave.add_permits(1);
    assert_eq!(second.await.body, body(&key));
    assert_eq!(front.computed(), 1);
}

#[tokio::test]
async fn a_body_is_kept_although_all_who_wanted_it_have_left() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    front.hold();
    let key = key(1);
    let mut only = Box::pin(front.get(&key));
    assert!((&mut only).now_or_never().is_none());
    front.until_computing(1).await;
    drop(only);
    front.leave.add_permits(1);
    front.until_kept(&redis, &key).await;
    assert_eq!(front.get(&key).await.outcome, Outcome::Hit);
}

#[tokio::test]
async fn an_error_is_shared_and_not_kept() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    let key = key(1);
    let fails = || {
        let work = front.compute(&key);
        async move { work.await.and(Err("the database is down")) }
    };
    front.hold();
    let all = join_all((0..10).map(|_| front.cache.get(key.clone(), fails())));
    let release = async {
        front.until_computing(1).await;
        front.leave.add_permits(1);
    };
    let (failed, ()) = tokio::join!(all, release);
    for failure in failed {
        assert!(
            matches!(failure, Err(ReadError::Failed(error)) if *error == "the database is down")
        );
    }
    front.leave.add_permits(1);
    assert_eq!(front.get(&key).await.outcome, Outcome::Miss);
    assert_eq!(front.computed(), 2);
}

#[tokio::test]
async fn a_panic_leaves_nobody_waiting() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    let breaks = || front.cache.get(key(1), async { panic!("on purpose") });
    for broken in join_all((0..3).map(|_| breaks())).await {
        assert!(matches!(broken, Err(ReadError::Broken)));
    }
    assert_eq!(front.get(&key(1)).await.outcome, Outcome::Miss);
}

#[tokio::test]
async fn what_exceeds_the_bound_is_turned_away_at_once() {
    let redis = Redis::start().await;
    let mut front = Front::open(&redis).await;
    front.stand.config.database.pool_size = 1;
    front.cache.reconfigure(&front.stand.config);
    let known = key(100);
    front.get(&known).await;
    front.hold();
    let keys: Vec<Key> = (0..4).map(key).collect();
    let held = join_all(keys.iter().map(|key| front.get(key)));
    let others = async {
        front.until_computing(5).await;
        let begin = Instant::now();
        let turned_away = front.cache.get(key(9), front.compute(&key(9))).await;
        assert!(matches!(turned_away, Err(ReadError::Overloaded)));
        assert!(begin.elapsed() < AT_ONCE);
        // What needs no computing goes on.
        assert_eq!(front.get(&known).await.outcome, Outcome::Hit);
        front.leave.add_permits(4);
    };
    let (held, ()) = tokio::join!(held, others);
    assert_eq!(held.len(), 4);
    front.leave.add_permits(1);
    assert_eq!(front.get(&key(9)).await.outcome, Outcome::Miss);
}

#[tokio::test]
async fn a_frozen_redis_costs_one_deadline_once() {
    let redis = Redis::start().await;
    let mut front = Front::open(&redis).await;
    redis.freeze();
    let begin = Instant::now();
    assert_eq!(front.get(&key(1)).await.outcome, Outcome::Bypass);
    let waited = begin.elapsed();
    assert!(
        waited >= DEADLINE && waited < DEADLINE + AT_ONCE,
        "{waited:?}"
    );
    for number in 2..50 {
        assert_eq!(front.get(&key(number)).await.outcome, Outcome::Bypass);
    }
    assert!(begin.elapsed() < waited + AT_ONCE, "{:?}", begin.elapsed());
    assert_eq!(
        front.get(&key(1)).await.outcome,
        Outcome::Hit,
        "from memory"
    );
    redis.thaw();
    front.stand.check_passes().await;
    assert_eq!(front.get(&key(99)).await.outcome, Outcome::Miss);
}

#[tokio::test]
async fn a_write_that_freezes_holds_up_no_request() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    front.hold();
    let (key, other) = (key(1), key(2));
    let freeze = async {
        front.until_computing(1).await;
        redis.freeze();
        front.leave.add_permits(1);
        Instant::now()
    };
    let (found, begin) = tokio::join!(front.get(&key), freeze);
    assert_eq!(found.outcome, Outcome::Miss);
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    front.stand.until_bypassed(true).await;
    front.leave.add_permits(1);
    assert_eq!(front.get(&other).await.outcome, Outcome::Bypass);
    assert_eq!(front.stand.hints(), 1);
}

#[tokio::test]
async fn a_redis_that_is_full_or_only_reads_is_read() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    front.get(&key(1)).await;
    front.until_kept(&redis, &key(1)).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let other = front.another();
    let found = other.get(key(1), front.compute(&key(1))).await.unwrap();
    assert_eq!(found.outcome, Outcome::Hit);
    for number in 2..10 {
        assert_eq!(front.get(&key(number)).await.outcome, Outcome::Miss);
    }
    assert!(!front.stand.client.is_bypassed());

    let replica = RedisOptions::default()
        .setting("replicaof", &format!("127.0.0.1 {}", redis.port()))
        .start()
        .await;
    let front = Front::open(&replica).await;
    wait::until("it has copied", PATIENCE, async || {
        let cache = front.another();
        let found = cache.get(key(1), front.compute(&key(1))).await.unwrap();
        (found.outcome == Outcome::Hit).then_some(())
    })
    .await;
    assert_eq!(front.get(&key(2)).await.outcome, Outcome::Miss);
}

#[tokio::test]
async fn what_is_not_ours_is_computed_and_replaced() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    let (key, other) = (key(1), key(2));
    front.get(&other).await;
    front.until_kept(&redis, &other).await;
    let copy = ["COPY", other.as_str(), key.as_str(), "REPLACE"];
    for planted in [
        &["SET", key.as_str(), "{\"total\":0}"][..],
        &["SET", key.as_str(), ""],
        // A good value, of something else.
        &copy,
    ] {
        redis.command(planted).await;
        let cache = front.another();
        let found = cache.get(key.clone(), front.compute(&key)).await.unwrap();
        assert_eq!((found.outcome, found.body), (Outcome::Miss, body(&key)));
        wait::until("it is replaced", PATIENCE, async || {
            let cache = front.another();
            let found = cache.get(key.clone(), front.compute(&key)).await.unwrap();
            (found.outcome == Outcome::Hit).then_some(())
        })
        .await;
    }
    redis.command(&["DEL", key.as_str()]).await;
    redis.command(&["LPUSH", key.as_str(), "1"]).await;
    assert_eq!(front.get(&key).await.body, body(&key));
}

#[tokio::test]
async fn an_emptied_and_restarted_redis_is_filled_again() {
    let mut redis = Redis::start().await;
    let mut front = Front::open(&redis).await;
    for round in 0..3 {
        let key = key(round);
        assert_eq!(front.get(&key).await.outcome, Outcome::Miss);
        front.until_kept(&redis, &key).await;
        redis.kill().await;
        front.stand.checked(Status::Error);
        front.stand.until_bypassed(true).await;
        let gone = Key::new("summary", round, "newer");
        assert_eq!(front.get(&gone).await.outcome, Outcome::Bypass);
        redis.restart_same_port().await;
        front.stand.check_passes().await;
        let cache = front.another();
        let found = cache.get(key.clone(), front.compute(&key)).await.unwrap();
        assert_eq!(found.outcome, Outcome::Miss);
        front.until_kept(&redis, &key).await;
    }
}

#[tokio::test]
async fn closing_breaks_off_what_is_computed() {
    let redis = Redis::start().await;
    let front = Front::open(&redis).await;
    front.hold();
    let waiting = front.cache.get(key(1), front.compute(&key(1)));
    let close = async {
        front.until_computing(1).await;
        front.cache.close().await;
    };
    let (broken, ()) = tokio::join!(waiting, close);
    assert!(matches!(broken, Err(ReadError::Broken)));
}
