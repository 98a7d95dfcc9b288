//! budgetd's handlers without budgetd: no supervisor, no gate, no front with
//! its seats and deadlines. What is known of the dependencies was decided at
//! the start and never changes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use jiff::Timestamp;

use budgetd::api::{self, Views};
use budgetd::auth::Verifier;
use budgetd::cache::Client;
use budgetd::config::{self, Config, Dependency, Sources};
use budgetd::health::{self, DependencyHealth, Snapshot, Status};
use budgetd::limits::RateLimiter;
use budgetd::store::Store;

use crate::support::caller::JWT_SECRET;

/// `redis` may be empty: there is none.
pub(super) async fn serve(port: u16, database: &str, redis: &str) {
    let config = config(database, redis);
    let snapshot = Snapshot {
        sequence: 0,
        dependencies: config.dependencies.iter().map(up).collect(),
        timeline: Arc::default(),
    };
    // Readers are told once that the writer is gone, and keep what they have.
    let (writer, health) = health::channel(snapshot, |_| Bytes::new());
    let redis = Client::new(&config, health.clone(), Arc::new(|_| {}));
    let verifier = Verifier::new(&config, Arc::new(|| {}));
    verifier.reconfigure(&config);
    let routes = api::routes(api::Parts {
        store: Store::new(&config, health, Arc::new(|| {})),
        views: Views::new(&config, redis.clone()),
        verifier: Arc::new(verifier),
        limiter: RateLimiter::new(&config.limits, redis),
        pool_size: config.database.pool_size,
        pool_timeout: config.database.pool_timeout,
    });
    super::serve(port, Router::new().nest("/api/v1", routes)).await;
    drop(writer);
}

fn config(database: &str, redis: &str) -> Config {
    let enabled = if redis.is_empty() { "false" } else { "true" };
    let environment = [
        ("DATABASE_URL", database),
        ("REDIS_ENABLED", enabled),
        ("REDIS_URL", redis),
        ("SUPABASE_JWT_SECRET", JWT_SECRET),
        ("BUDGETD__LIMITS__READS_PER_MINUTE", "1000000"),
        ("BUDGETD__LIMITS__WRITES_PER_MINUTE", "1000000"),
    ];
    let sources = Sources {
        environment: environment
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..Sources::default()
    };
    config::load(&sources).expect("it is valid").config
}

fn up(dependency: &Dependency) -> Arc<DependencyHealth> {
    let watched = dependency.is_watched();
    Arc::new(DependencyHealth {
        status: if watched {
            Status::Ok
        } else {
            Status::Disabled
        },
        initialized: watched,
        latency: Some(Duration::ZERO),
        attempts: 1,
        ..DependencyHealth::unknown(
            dependency.name.clone(),
            dependency.kind,
            dependency.policy,
            Timestamp::now(),
        )
    })
}
