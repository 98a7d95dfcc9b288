//! What requests are served with: the pool of the database, Redis, and what
//! stands on them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use prometheus_client::registry::Registry;

use super::{lines, within};
use crate::api::{self, Views};
use crate::auth::Verifier;
use crate::cache;
use crate::config::{self, Config, Dependency};
use crate::dependency::{CACHE, DATABASE, Name, SUPABASE_AUTH};
use crate::health::Reader;
use crate::limits::RateLimiter;
use crate::store::Store;
use crate::supervisor::Handle;

pub(super) struct Clients {
    store: Store,
    redis: cache::Client,
    views: Views,
    verifier: Arc<Verifier>,
    limiter: RateLimiter,
    /// Whether there is a Redis to take leave of.
    has_redis: bool,
    database: config::Database,
}

impl Clients {
    /// Nothing connects before it is used.
    pub(super) fn new(config: &Config, health: &Reader, supervisor: &Handle) -> Self {
        let hint = |name: &str| -> Arc<dyn Fn() + Send + Sync> {
            let name: Name = name.parse().expect("a built-in name is legal");
            let supervisor = supervisor.clone();
            Arc::new(move || supervisor.hint(&name))
        };
        let of_redis = supervisor.clone();
        let redis = cache::Client::new(
            config,
            health.clone(),
            Arc::new(move |name| of_redis.hint(name)),
        );
        Self {
            store: Store::new(config, health.clone(), hint(DATABASE)),
            views: Views::new(config, redis.clone()),
            verifier: Arc::new(Verifier::new(config, hint(SUPABASE_AUTH))),
            limiter: RateLimiter::new(&config.limits, redis.clone()),
            redis,
            has_redis: has_redis(config),
            database: config.database.clone(),
        }
    }

    /// Begins what tells of itself in the log, and so must not come before the
    /// line that tells of the start.
    pub(super) fn begin(&self, config: &Config) {
        self.verifier.reconfigure(config);
    }

    pub(super) fn register_metrics(&self, registry: &mut Registry) {
        self.redis.meters().register(registry);
        self.views.meters().register(registry);
        self.limiter.meters().register(registry);
    }

    /// The routes of the API, answered with these.
    pub(super) fn routes(&self) -> Router {
        api::routes(api::Parts {
            store: self.store.clone(),
            views: self.views.clone(),
            verifier: self.verifier.clone(),
            limiter: self.limiter.clone(),
            pool_size: self.database.pool_size,
            pool_timeout: self.database.pool_timeout,
        })
    }

    /// Takes over a reloaded configuration.
    pub(super) fn reconfigure(&mut self, config: &Config) {
        self.store.reconfigure(config);
        self.redis.reconfigure(config);
        self.views.reconfigure(config);
        self.verifier.reconfigure(config);
        self.limiter.reconfigure(&config.limits);
        self.has_redis = has_redis(config);
    }

    /// Closes all connections, each within `limit`.
    pub(super) async fn close(&self, limit: Duration) {
        // What is computed for nobody any more would hold connections.
        let _ = within(limit, self.views.close()).await;
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
