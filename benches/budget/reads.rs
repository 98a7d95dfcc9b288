//! The summary of a version of 20,000 lines, from each place that it can come
//! from.
//!
//! Every kind of answer is measured in every round, one after the other, so
//! that a machine that slows down slows all of them down.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::clients::{overall, query};
use crate::cores::Cores;
use crate::report::Reads;
use crate::stage::{csv, daemon, database, load, summary};
use crate::support::caller::Caller;
use crate::support::{Daemon, Postgres, Redis};
use crate::swarm::{Outcome, Until, Work, run};

const ROUNDS: usize = 5;
const LINES: usize = 20_000;
const LENGTH: Duration = Duration::from_secs(5);
const CACHED_GOAL: f64 = 10_000.0;
/// Versions of 20,000 lines: uncached, each is asked for by one client, so
/// that no two can share what is computed.
const VERSIONS: u16 = 16;
/// So often all of them are renewed and asked for in a round.
const RENEWALS: usize = 20;
/// Versions whose summaries are in Redis and not yet in the process.
const KEPT: usize = 10_000;

pub(crate) async fn measure(cores: Cores) -> Reads {
    let database = database().await;
    let (redis, mut lost) = (Redis::start().await, Redis::start().await);
    let up = cores
        .give(daemon(&database))
        .cache(&redis.url())
        .serve()
        .await;
    let without = cores
        .give(daemon(&database))
        .cache(&lost.url())
        .serve()
        .await;
    lost.kill().await;
    overall(&without, "degraded").await;
    let versions = prepare(&up, &database).await;
    let kept = keep(cores, &database, &redis).await;

    let [
        mut memory,
        mut tier,
        mut miss,
        mut memory_without,
        mut bypass,
    ] = std::array::from_fn(|_| Vec::new());
    for _ in 0..ROUNDS {
        memory.push(same(&up, &versions).await);
        let fresh = cores
            .give(daemon(&database))
            .cache(&redis.url())
            .serve()
            .await;
        overall(&fresh, "ok").await;
        tier.push(run(&fresh, once(&kept, "hit")).await);
        drop(fresh);
        miss.push(renewed(&up, &database, &versions, "miss").await);
        memory_without.push(same(&without, &versions).await);
        bypass.push(renewed(&without, &database, &versions, "bypass").await);
    }
    let mut report = Reads::default();
    report.add("cached, in the process", &memory, Some(CACHED_GOAL));
    report.add("cached, in Redis alone", &tier, None);
    report.add("cached in the process, Redis killed", &memory_without, None);
    report.add("uncached", &miss, None);
    report.add("uncached, Redis killed", &bypass, None);
    report
}

/// Makes the versions and answers with the paths of their summaries.
async fn prepare(daemon: &Daemon, database: &Postgres) -> Arc<[String]> {
    let caller = Caller::new(daemon, "admin");
    let csv = csv(LINES);
    let mut paths = Vec::new();
    for year in 2020..2020 + VERSIONS {
        let version: Value = caller.create("Large", year).await;
        load(&caller, &version, &csv).await;
        paths.push(summary(version["id"].as_str().expect("it has an id")));
    }
    database.execute("VACUUM ANALYZE").await;
    paths.into()
}

/// Fills Redis with summaries, through daemons that are gone afterwards.
async fn keep(cores: Cores, database: &Postgres, redis: &Redis) -> Arc<[String]> {
    let sql = format!(
        "WITH made AS (INSERT INTO budgetd.budget_versions \
         (organization_id, name, fiscal_year, academic_year) \
         SELECT gen_random_uuid(), 'Small', 2026, '2025-2026' FROM generate_series(1, {KEPT}) \
         RETURNING id) SELECT string_agg(id::text, ' ') FROM made"
    );
    let made = query(database.port(), &sql).await.expect("it is allowed");
    let paths: Arc<[String]> = made.split(' ').map(summary).collect();
    let daemon = cores
        .give(daemon(database))
        .cache(&redis.url())
        .serve()
        .await;
    overall(&daemon, "ok").await;
    run(&daemon, once(&paths, "miss")).await;
    paths
}

/// Everyone asks for one and the same summary, again and again.
async fn same(daemon: &Daemon, paths: &[String]) -> Outcome {
    let work = |length| Work {
        paths: Arc::from([paths[0].clone()]),
        until: Until::Over(length),
        expected: Some("hit"),
    };
    // What is renewed in each round has to be computed once.
    let caller = Caller::new(daemon, "viewer");
    let path = paths[0].strip_prefix("/api/v1").expect("it is of the API");
    assert_eq!(caller.get(path).await.code, 200);
    run(daemon, work(Duration::from_millis(300))).await;
    run(daemon, work(LENGTH)).await
}

/// The triggers renew the revisions of all versions; then, while the clock
/// runs, each is asked for once, all at the same time.
async fn renewed(
    daemon: &Daemon,
    database: &Postgres,
    paths: &Arc<[String]>,
    expected: &'static str,
) -> Outcome {
    let mut outcome = Outcome::default();
    for _ in 0..RENEWALS {
        let renew = "UPDATE budgetd.budget_versions SET notes = notes WHERE name = 'Large'";
        database.execute(renew).await;
        outcome.add(run(daemon, once(paths, expected)).await);
    }
    outcome
}

fn once(paths: &Arc<[String]>, expected: &'static str) -> Work {
    Work {
        paths: paths.clone(),
        until: Until::Done,
        expected: Some(expected),
    }
}
