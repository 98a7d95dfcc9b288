//! A daemon under the settings of a small deployment, and the ways to what it
//! depends on.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::log::Log;
use crate::support::wait::until;
use crate::support::{Answer, AuthApi, Daemon, DaemonOptions, FaultProxy, Postgres, Redis};

pub(super) const INTERVAL: Duration = Duration::from_millis(500);
const FAST_INTERVAL: Duration = Duration::from_millis(50);
const TIMEOUT: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
const FALL: u32 = 3;
const RISE: u32 = 2;
/// What a machine with too much to do may be late by.
const SLACK: Duration = Duration::from_secs(1);

/// How long readiness may not know that a dependency is down: it is idle, then
/// does not answer, and each further check connects and is not answered.
pub(super) fn notices_within() -> Duration {
    let jitter = 1.1;
    INTERVAL.mul_f64(jitter)
        + TIMEOUT
        + (FAST_INTERVAL.mul_f64(jitter) + TIMEOUT) * (FALL - 1)
        + SLACK
}

/// How long readiness may not know that the database is back: an attempt is
/// under way and fails, the longest pause follows, and then it has to pass
/// twice. The schema is looked at before requests are let in.
pub(super) fn recovers_within() -> Duration {
    TIMEOUT + MAX_BACKOFF + (FAST_INTERVAL + TIMEOUT) * RISE + TIMEOUT + SLACK
}

pub(super) struct Rig {
    pub(super) daemon: Daemon,
    pub(super) log: Log,
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    pub(super) auth: AuthApi,
    pub(super) ways: Ways,
    pub(super) truth: Known,
    /// Reloads so far.
    pub(super) round: usize,
}

/// The ways to the dependencies.
pub(super) struct Ways {
    pub(super) database: FaultProxy,
    pub(super) cache: FaultProxy,
    pub(super) auth: FaultProxy,
}

/// Whether the database can be used, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Up(Instant),
    Down(Instant),
    /// Between the two, or by turns.
    Open,
}

/// The truth, for those who are to know it.
#[derive(Debug, Clone)]
pub(super) struct Known(Arc<Mutex<Truth>>);

impl Known {
    fn new(truth: Truth) -> Self {
        Self(Arc::new(Mutex::new(truth)))
    }

    pub(super) fn is(&self, truth: Truth) {
        *self.0.lock().unwrap() = truth;
    }

    pub(super) fn now(&self) -> Truth {
        *self.0.lock().unwrap()
    }
}

impl Rig {
    pub(super) async fn start() -> Self {
        let (postgres, redis, auth) = (
            Postgres::start().await,
            Redis::start().await,
            AuthApi::start().await,
        );
        auth.set(Answer::keys());
        let ways = Ways {
            database: FaultProxy::in_front_of(postgres.port()).await,
            cache: FaultProxy::in_front_of(redis.port()).await,
            auth: FaultProxy::in_front_of(auth.port()).await,
        };
        let options = [
            "DATABASE_URL",
            "DATABASE_REQUIRED",
            "REDIS_ENABLED",
            "BUDGETD__LIFECYCLE__DRAIN_DELAY",
        ]
        .into_iter()
        .fold(DaemonOptions::default(), DaemonOptions::unset)
        .tokens()
        .config(&config(&ways, 0));
        let (stdout, log) = Log::pipe();
        let mut daemon = options.start_with_stdout(stdout);
        daemon.open().await;
        let rig = Self {
            daemon,
            log,
            postgres,
            redis,
            auth,
            ways,
            truth: Known::new(Truth::Open),
            round: 0,
        };
        rig.until_ok().await;
        rig
    }

    /// Waits until readiness says `ok`; how long that took.
    pub(super) async fn until_ok(&self) -> Duration {
        let began = Instant::now();
        until("readiness says ok", Duration::from_mins(1), async || {
            let (code, document) = self.daemon.readiness().await;
            (code == 200 && document["status"] == "ok").then_some(())
        })
        .await;
        began.elapsed()
    }

    /// The configuration that it began with.
    pub(super) fn first_config(&self) -> String {
        config(&self.ways, 0)
    }

    /// The configuration of the next reload.
    pub(super) fn next_config(&mut self) -> String {
        self.round += 1;
        config(&self.ways, self.round)
    }
}

fn config(ways: &Ways, round: usize) -> String {
    let (database, cache, auth) = (ways.database.port(), ways.cache.port(), ways.auth.port());
    let mut text = format!(
        "[checks]
        interval = \"{}ms\"
        fast_interval = \"{}ms\"
        max_backoff = \"{}ms\"
        connect_timeout = \"{timeout}ms\"
        timeout = \"{timeout}ms\"
        fall = {FALL}
        rise = {RISE}
        [database]
        pool_size = {}
        statement_timeout = \"3s\"
        [cache]
        timeout = \"100ms\"
        ttl = \"{}s\"
        [limits]
        reads_per_minute = 1000000
        writes_per_minute = 1000000
        [auth]
        supabase_url = \"http://localhost:{auth}\"
        [dependencies.database]
        url = \"postgres://postgres@localhost:{database}/postgres\"
        [dependencies.cache]
        url = \"redis://localhost:{cache}/0\"
        [dependencies.supabase_auth]
        url = \"http://localhost:{auth}/auth/v1/health\"
        ",
        INTERVAL.as_millis(),
        FAST_INTERVAL.as_millis(),
        MAX_BACKOFF.as_millis(),
        8 + round % 2,
        5 + round % 3,
        timeout = TIMEOUT.as_millis(),
    );
    if round % 4 == 1 {
        write!(
            text,
            "[dependencies.more]
            kind = \"tcp\"
            url = \"tcp://localhost:{cache}\"
            policy = \"optional\"
            needs = [\"database\"]"
        )
        .unwrap();
    }
    text
}
