//! A daemon whose three dependencies come and go.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use super::{READY, one_thread};
use crate::clients::overall;
use crate::support::{DaemonOptions, FaultProxy, Mode};
use crate::trio::Trio;
use crate::wrk::{self, Polls};

/// As long as the other turns, also in a trial: to go and to come back takes a
/// while.
const LENGTH: Duration = Duration::from_secs(4);
const NAMES: [&str; 3] = ["database", "cache", "supabase_auth"];

/// One turn, in which each of them was seen to go and to come back.
pub(super) async fn poll(trio: &Trio) -> Polls {
    let proxies = [
        FaultProxy::in_front_of(trio.database.port()).await,
        FaultProxy::in_front_of(trio.redis.port()).await,
        FaultProxy::in_front_of(trio.auth.port()).await,
    ];
    let [database, redis, auth] = proxies.each_ref().map(FaultProxy::port);
    // The auth API is looked at now and then; that it is gone for a moment
    // would be overlooked.
    let daemon = one_thread(DaemonOptions::default())
        .brisk()
        .database(&format!(
            "postgres://postgres@127.0.0.1:{database}/postgres"
        ))
        .cache(&format!("redis://127.0.0.1:{redis}/0"))
        .variable("SUPABASE_URL", &format!("http://127.0.0.1:{auth}"))
        .serve()
        .await;
    overall(&daemon, "ok").await;
    let polls = tokio::select! {
        polls = wrk::poll_whatever_comes(daemon.api(), READY, LENGTH, true) => polls,
        () = flap(&proxies) => unreachable!("it has no end"),
    };
    for name in NAMES {
        let told = daemon.transitions(name);
        for change in ["down", "recovered"] {
            let seen = told.iter().any(|one| one == change);
            assert!(seen, "{name} never {change} while it should flap: {told:?}");
        }
    }
    let answered = polls.answers - polls.refused;
    assert!(
        polls.refused > 0.0 && answered > 0.0,
        "readiness said one thing only: {polls:?}"
    );
    polls
}

async fn flap(proxies: &[FaultProxy]) {
    loop {
        for mode in [Mode::Refuse, Mode::Pass] {
            for proxy in proxies {
                proxy.set(mode).await;
                proxy.cut();
                let pause = rand::rng().random_range(100..200);
                sleep(Duration::from_millis(pause)).await;
            }
        }
    }
}
