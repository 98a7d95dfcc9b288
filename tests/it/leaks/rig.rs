//! A daemon with a dependency of each kind, each behind a proxy.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::visitor::Visitor;
use crate::support::wait::until;
use crate::support::{Answer, AuthApi, Daemon, DaemonOptions, FaultProxy, Postgres, Redis};

/// A machine with too much to do is slow, and flaps are many.
pub(super) const PATIENCE: Duration = Duration::from_mins(3);

/// Ways, and detours after them.
pub(super) const WAYS: usize = 6;

pub(super) struct Rig {
    pub(super) daemon: Daemon,
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    pub(super) ways: [Way; 4],
    /// Another way to the same database, and to the same cache.
    detours: [FaultProxy; 2],
    _auth: AuthApi,
}

/// The way to a dependency.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) proxy: FaultProxy,
}

impl Way {
    async fn to(name: &'static str, server: u16) -> Self {
        let proxy = FaultProxy::in_front_of(server).await;
        Self { name, proxy }
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
        let ways = [
            Way::to("database", postgres.port()).await,
            Way::to("cache", redis.port()).await,
            Way::to("supabase_auth", auth.port()).await,
            Way::to("queue", redis.port()).await,
        ];
        let detours = [
            FaultProxy::in_front_of(postgres.port()).await,
            FaultProxy::in_front_of(redis.port()).await,
        ];
        let options = [
            "DATABASE_URL",
            "DATABASE_REQUIRED",
            "REDIS_ENABLED",
            "BUDGETD__LIFECYCLE__DRAIN_DELAY",
        ]
        .into_iter()
        .fold(DaemonOptions::default(), DaemonOptions::unset)
        .tokens()
        .config(&config(&ways, &detours, 0));
        let rig = Self {
            daemon: options.serve().await,
            postgres,
            redis,
            ways,
            detours,
            _auth: auth,
        };
        for way in &rig.ways {
            rig.until_status(way, "ok").await;
        }
        rig
    }

    /// The configuration of a round of reloads. The first one is as it began.
    pub(super) fn config(&self, round: usize) -> String {
        config(&self.ways, &self.detours, round)
    }

    /// How many connections are open over each way and each detour.
    pub(super) fn open(&self) -> [usize; WAYS] {
        let [database, cache, auth, queue] = self.ways.each_ref().map(|way| way.proxy.open());
        let [other_database, other_cache] = self.detours.each_ref().map(FaultProxy::open);
        [database, cache, auth, queue, other_database, other_cache]
    }

    pub(super) async fn until_status(&self, way: &Way, status: &str) {
        let mut visitor = Visitor::of(self.daemon.admin());
        until_one_of(&mut visitor, way.name, &[status]).await;
    }
}

/// Waits until a dependency has one of these statuses.
pub(super) async fn until_one_of(visitor: &mut Visitor, name: &str, statuses: &[&str]) {
    let path = format!("/health/ready?name={name}");
    let began = Instant::now();
    until(
        format!("{name} is {statuses:?}"),
        PATIENCE * 2,
        async || {
            let answer = visitor.get(&path).await.unwrap();
            let document: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert!(began.elapsed() < PATIENCE, "not {statuses:?}: {document}");
            let status = document["checks"][name]["status"].as_str();
            status.filter(|status| statuses.contains(status)).map(drop)
        },
    )
    .await;
}

fn config(ways: &[Way; 4], detours: &[FaultProxy; 2], round: usize) -> String {
    let [database, cache, auth, queue] = ways.each_ref().map(|way| way.proxy.port());
    let by_turns = |period: usize, usual: u16, other: u16| {
        if (round / period).is_multiple_of(2) {
            usual
        } else {
            other
        }
    };
    let database = by_turns(1, database, detours[0].port());
    let cache = by_turns(2, cache, detours[1].port());
    let more = if round % 3 == 1 {
        format!(
            "[dependencies.more]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:{cache}\"\n\
             needs = [\"database\"]"
        )
    } else {
        String::new()
    };
    let pool_size = 4 + round / 3 % 2;
    format!(
        "[checks]
        interval = \"20ms\"
        fast_interval = \"10ms\"
        max_backoff = \"20ms\"
        connect_timeout = \"30s\"
        timeout = \"30s\"
        startup_deadline = \"5m\"
        fall = 2
        rise = 1
        [log]
        level = \"warn,budgetd::daemon=info\"
        [database]
        pool_size = {pool_size}
        [cache]
        ttl = \"1s\"
        [limits]
        reads_per_minute = 1000000
        writes_per_minute = 1000000
        [auth]
        supabase_url = \"http://127.0.0.1:{auth}\"
        [dependencies.database]
        url = \"postgres://postgres@127.0.0.1:{database}/postgres\"
        [dependencies.cache]
        url = \"redis://127.0.0.1:{cache}/0\"
        [dependencies.supabase_auth]
        url = \"http://127.0.0.1:{auth}/auth/v1/health\"
        [dependencies.queue]
        kind = \"tcp\"
        url = \"tcp://127.0.0.1:{queue}\"
        policy = \"optional\"
        needs = [\"database\"]
        {more}
        "
    )
}
