//! The cache against real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use budgetd::cache::Client;
use budgetd::config::{Config, Sources, load};
use budgetd::dependency::{CACHE, Kind, Policy};
use budgetd::health::{self, DependencyHealth, Reader, Snapshot, Status};
use bytes::Bytes;
use jiff::Timestamp;

use crate::support::{PATIENCE, Redis, wait};

mod client;
mod limits;
mod metrics;
mod read_through;

/// A client, and what the supervisor would do for it.
struct Stand {
    client: Client,
    config: Config,
    health: health::Writer,
    reader: Reader,
    /// Checks that the supervisor has made.
    checks: u64,
    /// How often a request's error asked for a check.
    hints: Arc<AtomicUsize>,
}

impl Stand {
    /// A client that is connected.
    async fn open(redis: &Redis) -> Self {
        let mut stand = Self::new(&redis.url(), &[]);
        stand.check_passes().await;
        stand
    }

    /// A client of which nothing is known yet, with further variables.
    fn new(url: &str, variables: &[(&str, &str)]) -> Self {
        let config = config(url, variables);
        let (health, reader) = health::channel(snapshot(Status::Starting, 0), |_| Bytes::new());
        let hints = Arc::<AtomicUsize>::default();
        let counted = hints.clone();
        let hint = Arc::new(move |name: &budgetd::dependency::Name| {
            assert_eq!(name.as_str(), CACHE);
            counted.fetch_add(1, Ordering::SeqCst);
        });
        Self {
            client: Client::new(&config, reader.clone(), hint),
            config,
            health,
            reader,
            checks: 0,
            hints,
        }
    }

    fn hints(&self) -> usize {
        self.hints.load(Ordering::SeqCst)
    }

    /// A check of the supervisor has ended like this.
    fn checked(&mut self, status: Status) {
        self.checks += 1;
        self.health.publish(snapshot(status, self.checks));
    }

    /// A check has passed, and the client has connected again.
    async fn check_passes(&mut self) {
        self.checked(Status::Ok);
        self.until_bypassed(false).await;
    }

    async fn until_bypassed(&self, bypassed: bool) {
        wait::until(format!("bypassed: {bypassed}"), PATIENCE, async || {
            (self.client.is_bypassed() == bypassed).then_some(())
        })
        .await;
    }
}

fn config(url: &str, variables: &[(&str, &str)]) -> Config {
    let variable = |(name, value): (&str, &str)| (name.into(), value.into());
    let given = [("DATABASE_REQUIRED", "false"), ("REDIS_URL", url)];
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

fn snapshot(status: Status, checks: u64) -> Snapshot {
    let cache = DependencyHealth {
        status,
        initialized: true,
        attempts: checks,
        last_checked: Some(Timestamp::now()),
        ..DependencyHealth::unknown(
            CACHE.parse().expect("a legal name"),
            Kind::Redis,
            Policy::Optional,
            Timestamp::UNIX_EPOCH,
        )
    };
    Snapshot {
        sequence: checks,
        dependencies: [Arc::new(cache)].into_iter().collect(),
        timeline: Arc::default(),
    }
}

/// How often a server was asked to do something.
async fn calls(redis: &Redis, command: &str) -> u64 {
    let statistics = redis.command(&["INFO", "commandstats"]).await;
    let line = statistics
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| {
        let count = line.split(',').next();
        count
            .and_then(|count| count.parse().ok())
            .expect("a number")
    })
}

/// The deadline of an operation, unless a test sets another.
const DEADLINE: Duration = Duration::from_millis(250);

/// For what must not wait for Redis at all, on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(200);
