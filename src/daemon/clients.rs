//! What requests are served with: the pool of the database, Redis, and what
//! stands on them.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;

use super::{lines, within};
use crate::cache;
use crate::config::{Config, Dependency};
use crate::dependency::{CACHE, DATABASE, Name};
use crate::health::Reader;
use crate::store::Store;
use crate::supervisor::Handle;

pub(super) struct Clients {
    store: Store,
    redis: cache::Client,
    /// Whether there is a Redis to take leave of.
    has_redis: bool,
}

impl Clients {
    /// Nothing connects before it is used.
    pub(super) fn new(config: &Config, health: &Reader, supervisor: &Handle) -> Self {
        let database: Name = DATABASE.parse().expect("a built-in name is legal");
        let [of_store, of_redis] = [(); 2].map(|()| supervisor.clone());
        let store = Store::new(
            config,
            health.clone(),
            Arc::new(move || of_store.hint(&database)),
        );
        let redis = cache::Client::new(
            config,
            health.clone(),
            Arc::new(move |name| of_redis.hint(name)),
        );
        Self {
            store,
            redis,
            has_redis: has_redis(config),
        }
    }

    pub(super) fn register_metrics(&self, registry: &mut Registry) {
        self.redis.meters().register(registry);
    }

    /// Takes over a reloaded configuration.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.store.reconfigure(config);
        self.redis.reconfigure(config);
        self.has_redis = has_redis(config);
    }

    /// Closes all connections, each within `limit`.
    pub(super) async fn close(&self, limit: Duration) {
        if self.has_redis {
            // One that does not close in time is cut by the end of the process.
            let _ = within(limit, self.redis.close()).await;
            lines::redis_client_closed();
        }
        if self.store.close(limit).await {
            lines::database_pool_closed();
        }
    }
}

fn has_redis(config: &Config) -> bool {
    config.dependency(CACHE).is_some_and(Dependency::is_watched)
}
