//! From a start, of the daemon or of what it needs, to an open API.

use std::time::Duration;

use tokio::time::Instant;

use crate::clients::{accepts, answers, chance, in_front_of, postgres_answers, redis_answers};
use crate::report::Report;
use crate::support::{DaemonOptions, FaultProxy, Mode, Postgres, Redis};

const PROCESS_BOUND: Duration = Duration::from_millis(100);
const GATE_BOUND: Duration = Duration::from_millis(150);

/// Everything is up: how long until the first answer?
pub(crate) async fn from_process(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let mut tries = Vec::new();
    for _ in 0..40 {
        let began = Instant::now();
        let daemon = in_front_of(&database, &redis).start();
        tries.push(answers(daemon.api()).await - began);
    }
    report.durations(
        "process start → first response of the API, everything up",
        &tries,
        PROCESS_BOUND,
    );
}

/// The optional Redis is up, refuses, or is silent: the API must not care.
pub(crate) async fn from_optional(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let cache = format!("redis://127.0.0.1:{}/0", proxy.port());
    let modes = [
        (Mode::Pass, "up"),
        (Mode::Refuse, "down"),
        (Mode::Stall, "silent"),
    ];
    let mut tries = [const { Vec::new() }; 3];
    // In turns, so that whatever else the machine does strikes all of them.
    for _ in 0..30 {
        for ((mode, _), tries) in modes.iter().zip(&mut tries) {
            proxy.set(*mode).await;
            let options = DaemonOptions::default()
                .database(&database.url())
                .cache(&cache);
            let began = Instant::now();
            let daemon = options.start();
            tries.push(accepts(daemon.api()).await - began);
        }
    }
    for ((_, state), tries) in modes.iter().zip(&tries) {
        let figure = format!("process start → API accepts, optional Redis {state}");
        report.durations(&figure, tries, PROCESS_BOUND);
    }
}

/// Both dependencies are required and refuse, then pass: the moment is exact.
pub(crate) async fn from_proxies(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let before_database = FaultProxy::in_front_of(database.port()).await;
    let before_redis = FaultProxy::in_front_of(redis.port()).await;
    let mut tries = Vec::new();
    for _ in 0..40 {
        before_database.set(Mode::Refuse).await;
        before_redis.set(Mode::Refuse).await;
        let port = before_database.port();
        let mut daemon = DaemonOptions::default()
            .database(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))
            .cache(&format!("redis://127.0.0.1:{}/0", before_redis.port()))
            .variable("REDIS_REQUIRED", "true")
            .start();
        daemon.open().await;
        daemon.until_status("database", "error").await;
        daemon.until_status("cache", "error").await;
        chance().await;
        before_redis.set(Mode::Pass).await;
        let began = Instant::now();
        before_database.set(Mode::Pass).await;
        tries.push(accepts(daemon.api()).await - began);
    }
    report.durations(
        "the last required dependency stops refusing (a proxy) → API accepts",
        &tries,
        GATE_BOUND,
    );
}

/// Both dependencies are required and were killed, then they are started: the
/// moment is that of a client's first answer.
pub(crate) async fn from_servers(report: &mut Report) {
    let mut database = Postgres::start().await;
    let mut redis = Redis::start().await;
    let mut tries = Vec::new();
    for _ in 0..30 {
        database.kill().await;
        redis.kill().await;
        let mut daemon = in_front_of(&database, &redis)
            .variable("REDIS_REQUIRED", "true")
            .start();
        daemon.open().await;
        daemon.until_status("database", "error").await;
        daemon.until_status("cache", "error").await;
        chance().await;
        let (database_port, redis_port) = (database.port(), redis.port());
        let (open, database_up, redis_up, (), ()) = tokio::join!(
            accepts(daemon.api()),
            postgres_answers(database_port),
            redis_answers(redis_port),
            database.restart_same_port(),
            redis.restart_same_port(),
        );
        tries.push(open.saturating_duration_since(database_up.max(redis_up)));
    }
    report.durations(
        "the last required server, killed and started again, answers → API accepts",
        &tries,
        GATE_BOUND,
    );
}
