//! The store against real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use budgetd::config::{Config, Sources, load};
use budgetd::dependency::{DATABASE, ErrorKind, Failure, Kind, Policy};
use budgetd::health::{self, DependencyHealth, Snapshot, Status};
use budgetd::store::Store;
use bytes::Bytes;
use jiff::Timestamp;

use crate::support::PgBouncer;
use crate::support::Postgres;

mod pool;

mod transactions;

mod schema;

mod triggers;

/// A store, and what the supervisor would do for it.
struct Stand {
    store: Store,
    health: health::Writer,
    /// How often a request's error asked for a check.
    hints: Arc<AtomicUsize>,
}

impl Stand {
    fn new(url: &str) -> Self {
        Self::with(url, &[])
    }

    /// With further variables.
    fn with(url: &str, variables: &[(&str, &str)]) -> Self {
        let config = config(url, variables);
        let (health, reader) = health::channel(snapshot(Status::Ok), |_| Bytes::new());
        let hints = Arc::<AtomicUsize>::default();
        let counted = hints.clone();
        let hint = Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        Self {
            store: Store::new(&config, reader, hint),
            health,
            hints,
        }
    }

    fn hints(&self) -> usize {
        self.hints.load(Ordering::SeqCst)
    }

    /// The supervisor has come to this conclusion.
    fn conclude(&mut self, status: Status) {
        self.health.publish(snapshot(status));
    }
}

fn config(url: &str, variables: &[(&str, &str)]) -> Config {
    let variable = |(name, value): (&str, &str)| (name.into(), value.into());
    let given = [("DATABASE_URL", url), ("REDIS_ENABLED", "false")];
    let sources = Sources {
        environment: given
            .into_iter()
            .chain(variables.iter().copied())
            .map(variable)
            .collect(),
        ..Sources::default()
    };
    let loaded = load(&sources).unwrap_or_else(|problems| panic!("{problems:?}"));
    loaded.config
}

fn snapshot(status: Status) -> Snapshot {
    let failure = Failure::new(ErrorKind::Refused, "connection refused");
    let database = DependencyHealth {
        status,
        initialized: true,
        failure: (!status.is_up()).then_some(failure),
        attempts: 1,
        ..DependencyHealth::unknown(
            DATABASE.parse().expect("a legal name"),
            Kind::Postgres,
            Policy::Required,
            Timestamp::UNIX_EPOCH,
        )
    };
    Snapshot {
        sequence: 1,
        dependencies: [Arc::new(database)].into_iter().collect(),
        timeline: Arc::default(),
    }
}

/// A server, reached directly and through a pooler in transaction mode.
async fn both_ways() -> (Postgres, PgBouncer) {
    let postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres).await;
    (postgres, pooler)
}

/// Short enough to be waited for, and long enough for a busy machine.
const BRIEF: Duration = Duration::from_millis(300);
