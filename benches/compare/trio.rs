//! The three dependencies that budgetd knows by itself.

use crate::clients::{in_front_of, overall};
use crate::support::{AuthApi, Daemon, DaemonOptions, Postgres, Redis};

#[derive(Debug)]
pub(crate) struct Trio {
    pub(crate) database: Postgres,
    pub(crate) redis: Redis,
    pub(crate) auth: AuthApi,
}

impl Trio {
    pub(crate) async fn start() -> Self {
        Self {
            database: Postgres::start().await,
            redis: Redis::start().await,
            auth: AuthApi::start().await,
        }
    }

    /// A daemon that watches them, with default settings.
    pub(crate) fn options(&self) -> DaemonOptions {
        in_front_of(&self.database, &self.redis).variable("SUPABASE_URL", &self.auth.url())
    }

    /// The same, once all are up.
    pub(crate) async fn watched(&self) -> Daemon {
        let daemon = self.options().serve().await;
        overall(&daemon, "ok").await;
        daemon
    }
}
