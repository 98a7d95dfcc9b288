//! No read tells less than what was acknowledged before it began, whatever
//! becomes of the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::caller::{Caller, below};
use crate::support::{Daemon, DaemonOptions, Postgres, Redis};

const VERSIONS: usize = 3;
/// Each instance has seen each fault by then.
const FAULTS: usize = 4;

/// A version, and how many lines of 1.00 were acknowledged and sent.
struct Watched {
    version: Value,
    acknowledged: AtomicI64,
    sent: AtomicI64,
}

async fn instance(database: &Postgres, redis: &Redis) -> Daemon {
    DaemonOptions::default()
        .brisk()
        .database(&database.url())
        .cache(&redis.url())
        .variable("BUDGETD__CHECKS__TIMEOUT", "200ms")
        .variable("BUDGETD__CACHE__TIMEOUT", "50ms")
        .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "1000000")
        .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "1000000")
        .tokens()
        .serve()
        .await
}

async fn write(
    caller: Caller,
    watched: Arc<Vec<Watched>>,
    done: Arc<AtomicBool>,
    mut chance: SmallRng,
) {
    let line = json!({"account_code": "7011", "account_name": "a", "category": "revenue_fees", "period": "p1", "amount_sar": "1.00"});
    while !done.load(SeqCst) {
        let watched = &watched[chance.random_range(0..VERSIONS)];
        watched.sent.fetch_add(1, SeqCst);
        let created = caller
            .post(&below(&watched.version, "/lines"), line.clone())
            .await;
        assert_eq!(created.code, 201, "{}", created.body);
        watched.acknowledged.fetch_add(1, SeqCst);
    }
}

/// Answers with how many reads were hits.
async fn read(
    caller: Caller,
    watched: Arc<Vec<Watched>>,
    done: Arc<AtomicBool>,
    mut chance: SmallRng,
) -> usize {
    let mut hits = 0;
    while !done.load(SeqCst) {
        let watched = &watched[chance.random_range(0..VERSIONS)];
        let id = watched.version["id"].as_str().unwrap();
        let path = match chance.random_range(0..3) {
            0 => format!("/consolidation/{id}"),
            1 => format!("/consolidation/{id}/statements/periods/annual"),
            _ => format!("/consolidation/{id}/summary"),
        };
        let least = watched.acknowledged.load(SeqCst);
        let answer = caller.get(&path).await;
        assert_eq!(answer.code, 200, "{}", answer.body);
        hits += usize::from(answer.header("x-cache") == Some("hit"));
        let most = watched.sent.load(SeqCst);
        let revenue = answer.json()["total_revenue"].as_str().unwrap().to_owned();
        let revenue: i64 = revenue.strip_suffix(".00").unwrap().parse().unwrap();
        assert!(
            (least..=most).contains(&revenue),
            "{path} told {revenue}, with {least} acknowledged and {most} sent"
        );
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_an_acknowledged_write() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut chance = SmallRng::seed_from_u64(seed);
    let (database, mut redis) = (Postgres::start().await, Redis::start().await);
    let instances = [
        instance(&database, &redis).await,
        instance(&database, &redis).await,
    ];
    let planner = Caller::new(&instances[0], "planner");
    let mut watched = Vec::new();
    for year in 2026..2026 + u16::try_from(VERSIONS).unwrap() {
        watched.push(Watched {
            version: planner.create("Budget", year).await,
            acknowledged: AtomicI64::new(0),
            sent: AtomicI64::new(0),
        });
    }
    let (watched, done) = (Arc::new(watched), Arc::new(AtomicBool::new(false)));
    let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
    for daemon in &instances {
        let caller = Caller::new(daemon, "planner");
        for _ in 0..2 {
            readers.spawn(read(
                caller.clone(),
                watched.clone(),
                done.clone(),
                SmallRng::seed_from_u64(chance.random()),
            ));
        }
        writers.spawn(write(
            caller,
            watched.clone(),
            done.clone(),
            SmallRng::seed_from_u64(chance.random()),
        ));
    }
    // Each fault is left only when an instance has seen it, and the next begins
    // only when both have recovered.
    for fault in 0..FAULTS {
        match fault {
            0 => {
                redis.freeze();
                instances[0].until_status("cache", "error").await;
                redis.thaw();
            }
            1 => drop(redis.command(&["FLUSHALL"]).await),
            2 => {
                redis.kill().await;
                instances[1].until_status("cache", "error").await;
                redis.restart_same_port().await;
            }
            _ => drop(redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await),
        }
        for daemon in &instances {
            daemon.until_status("cache", "ok").await;
            daemon.until_checked("cache", 5).await;
        }
    }
    done.store(true, SeqCst);
    while let Some(ended) = writers.join_next().await {
        ended.unwrap();
    }
    let hits: usize = readers.join_all().await.into_iter().sum();
    assert!(hits > 0, "the cache was never used");
}
