//! The budget API over HTTP, on real Postgres and Redis servers.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::collections::BTreeSet;

use crate::support::caller::Caller;
use crate::support::{Daemon, DaemonOptions, Postgres};

mod access;

mod tokens;

mod versions;

mod organizations;

mod lines;

mod csv;

mod conditions;

mod consolidation;

mod aggregation;

mod idempotency;

mod caching;

mod coherence;

mod durability;

mod blocker;

mod races;

mod pooled;

mod rates;

mod documents;

/// A daemon on a database of its own, without a cache.
struct Rig {
    daemon: Daemon,
    database: Postgres,
}

impl Rig {
    async fn start() -> Self {
        Self::with(|options| options).await
    }

    async fn with(more: impl FnOnce(DaemonOptions) -> DaemonOptions) -> Self {
        let database = Postgres::start().await;
        let options = DaemonOptions::default()
            .brisk()
            .database(&database.url())
            .tokens()
            // What is limited is tested where it is the point.
            .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "100000")
            .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "100000");
        let daemon = more(options).serve().await;
        Self { daemon, database }
    }

    fn caller(&self, role: &str) -> Caller {
        Caller::new(&self.daemon, role)
    }
}

/// Every operation that the documentation tells of: its method and its path
/// below `/api/v1`.
async fn operations(daemon: &Daemon) -> BTreeSet<(String, String)> {
    let document = daemon.get("/openapi.json").await.unwrap().json();
    let paths = document["paths"].as_object().unwrap().iter();
    let below = paths.filter_map(|(path, methods)| Some((path.strip_prefix("/api/v1")?, methods)));
    below
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (method.to_uppercase(), path.to_owned()))
        })
        .collect()
}
