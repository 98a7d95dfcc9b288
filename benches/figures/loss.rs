//! From the loss or return of a dependency to a readiness that says so.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::clients::{chance, in_front_of, overall, postgres_answers, ready_says, redis_answers};
use crate::report::Report;
use crate::support::{Daemon, DaemonOptions, FaultProxy, Mode, PgBouncer, Postgres, Redis};

const LOSS_BOUND: Duration = Duration::from_millis(500);
const RETURN_BOUND: Duration = Duration::from_millis(500);
/// interval + fall × (timeout + `fast_interval`), of the default settings.
const SILENCE_BOUND: Duration = Duration::from_millis(5_000 + 3 * (2_000 + 100));

/// Servers that are killed with SIGKILL, and started again.
pub(crate) async fn killed(report: &mut Report) {
    let mut database = Postgres::start().await;
    let mut redis = Redis::start().await;
    let (mut lost_redis, mut lost_database) = (Vec::new(), Vec::new());
    let (mut back_redis, mut back_database) = (Vec::new(), Vec::new());
    for _ in 0..25 {
        // One that has seen no loss yet: who closes session after session is
        // looked at less and less often.
        let daemon = in_front_of(&database, &redis).serve().await;
        overall(&daemon, "ok").await;
        chance().await;

        let began = Instant::now();
        let (changed, ()) = tokio::join!(overall(&daemon, "degraded"), redis.kill());
        lost_redis.push(changed - began);
        chance().await;
        let port = redis.port();
        let (ok, up, ()) = tokio::join!(
            overall(&daemon, "ok"),
            redis_answers(port),
            redis.restart_same_port()
        );
        back_redis.push(ok.saturating_duration_since(up));

        let began = Instant::now();
        let (changed, ()) = tokio::join!(overall(&daemon, "unavailable"), database.kill());
        lost_database.push(changed - began);
        chance().await;
        let port = database.port();
        let (ok, up, ()) = tokio::join!(
            overall(&daemon, "ok"),
            postgres_answers(port),
            database.restart_same_port()
        );
        back_database.push(ok.saturating_duration_since(up));
    }
    for (name, lost) in [("Redis", &lost_redis), ("Postgres", &lost_database)] {
        let figure = format!("idle {name} killed → readiness changed");
        report.durations(&figure, lost, LOSS_BOUND);
    }
    for (name, back) in [("Redis", &back_redis), ("Postgres", &back_database)] {
        let figure = format!("killed {name} started again, answers → readiness `ok`");
        report.durations(&figure, back, RETURN_BOUND);
    }
}

/// A dependency that refuses and then accepts again: the moment is exact.
pub(crate) async fn refused(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let proxies = [
        FaultProxy::in_front_of(database.port()).await,
        FaultProxy::in_front_of(redis.port()).await,
    ];
    let [before_database, before_redis] = [proxies[0].port(), proxies[1].port()];
    let mut tries = [Vec::new(), Vec::new()];
    for _ in 0..15 {
        let daemon = DaemonOptions::default()
            .database(&format!(
                "postgres://postgres@127.0.0.1:{before_database}/postgres"
            ))
            .cache(&format!("redis://127.0.0.1:{before_redis}/0"))
            .serve()
            .await;
        overall(&daemon, "ok").await;
        let changes = ["unavailable", "degraded"];
        for ((proxy, change), tries) in proxies.iter().zip(changes).zip(&mut tries) {
            proxy.set(Mode::Refuse).await;
            proxy.cut();
            overall(&daemon, change).await;
            chance().await;
            let began = Instant::now();
            proxy.set(Mode::Pass).await;
            tries.push(overall(&daemon, "ok").await - began);
        }
    }
    for (name, tries) in ["Postgres", "Redis"].into_iter().zip(&tries) {
        let figure = format!("{name} stops refusing (a proxy) → readiness `ok`");
        report.durations(&figure, tries, RETURN_BOUND);
    }
}

/// Nothing answers and nothing is closed: whole servers stopped with SIGSTOP,
/// and a pooler that lost its server.
pub(crate) async fn silent(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let mut behind = Postgres::start().await;
    let pooler = PgBouncer::start(&behind).await;
    let mut daemons = Vec::new();
    // Several daemons begin over the course of an interval, so that the loss
    // meets every phase of it.
    for _ in 0..12 {
        let pooled = format!(
            "[dependencies.pooled]\nkind = \"postgres\"\npolicy = \"optional\"\nurl = \"{}\"\n",
            pooler.url()
        );
        let daemon = in_front_of(&database, &redis).config(&pooled).serve().await;
        overall(&daemon, "ok").await;
        daemons.push(daemon);
        sleep(Duration::from_millis(400)).await;
    }
    let began = Instant::now();
    redis.freeze();
    database.freeze();
    behind.kill().await;
    let frozen_redis = until_down(&daemons, "cache", began);
    let frozen_database = until_down(&daemons, "database", began);
    let lost_behind = until_down(&daemons, "pooled", began);
    let (frozen_redis, frozen_database, lost_behind) =
        tokio::join!(frozen_redis, frozen_database, lost_behind);
    redis.thaw();
    database.thaw();
    for (what, tries) in [
        ("idle Redis frozen", frozen_redis),
        ("idle Postgres frozen", frozen_database),
        ("Postgres killed behind PgBouncer", lost_behind),
    ] {
        let figure = format!("{what} → readiness changed");
        report.durations(&figure, &tries, SILENCE_BOUND);
    }
}

async fn until_down(daemons: &[Daemon], name: &str, began: Instant) -> Vec<Duration> {
    const PAUSE: Duration = Duration::from_millis(20);

    let moments = daemons.iter().map(|daemon| {
        ready_says(daemon, PAUSE, |document| {
            document["checks"][name]["status"] == "error"
        })
    });
    let moments = join_all(moments).await;
    moments.into_iter().map(|moment| moment - began).collect()
}
