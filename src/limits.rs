//! How often a client may ask: so many reads and so many writes a minute.
//!
//! Requests are counted in Redis, so that all instances count together; while
//! Redis cannot be asked, each instance counts for itself.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::Instant;
use uuid::Uuid;

use crate::cache::Client;
use crate::config;

mod meters;

mod script;

mod window;

pub use meters::Meters;

use meters::Place;
use script::Counter;
use window::{Reading, WINDOW, Window};

/// So many clients are counted within the process; beyond, those that were
/// silent for longest are forgotten.
const SUBJECTS: u64 = 100_000;

/// Limits the rate of requests. Cloning it shares the counts.
#[derive(Clone)]
pub struct RateLimiter {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Client,
    limits: ArcSwap<config::Limits>,
    counter: Counter,
    /// The instance's own counts.
    windows: Cache<Box<str>, Arc<Mutex<Window>>>,
    began: Instant,
    meters: Meters,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The user of a valid token.
    User(Uuid),
    /// Where a request without one comes from. Of an IPv6 address the network
    /// counts (/64): whoever has one address of it has them all.
    Address(IpAddr),
}

/// What is asked for; each kind has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Read,
    Write,
}

/// Whether a request may go on, and what its client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub allowed: bool,
    /// Requests within [`Decision::WINDOW_SECONDS`].
    pub limit: u32,
    /// Requests that would be allowed right now.
    pub remaining: u32,
    /// Seconds until what is counted now begins to be forgotten, rounded up.
    pub reset_seconds: u64,
    /// Seconds after which a request is allowed again, rounded up, at most
    /// [`Decision::WINDOW_SECONDS`]; `None` when this one is.
    pub retry_after: Option<u64>,
}

impl Decision {
    /// What limits are counted over.
    pub const WINDOW_SECONDS: u64 = WINDOW.as_secs();

    fn of(reading: &Reading, limit: u32) -> Self {
        Self {
            allowed: reading.allowed,
            limit,
            remaining: limit.saturating_sub(reading.counted),
            reset_seconds: seconds(reading.until_forgotten),
            retry_after: (!reading.allowed).then(|| seconds(reading.until_allowed)),
        }
    }
}

impl RateLimiter {
    /// A limiter that counts in Redis through `cache`.
    pub fn new(limits: &config::Limits, cache: Client) -> Self {
        let windows = Cache::builder()
            .max_capacity(SUBJECTS)
            // Whoever comes is counted; the default would rather turn away
            // those who come for the first time.
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(WINDOW)
            .build();
        Self {
            shared: Arc::new(Shared {
                cache,
                limits: ArcSwap::from_pointee(limits.clone()),
                counter: Counter::new(),
                windows,
                began: Instant::now(),
                meters: Meters::default(),
            }),
        }
    }

    /// Takes over reloaded limits; what was counted still counts.
    pub fn reconfigure(&self, limits: &config::Limits) {
        self.shared.limits.store(Arc::new(limits.clone()));
    }

    pub fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// Counts a request, unless it is one too many. It takes one cache
    /// deadline at most.
    pub async fn check(&self, subject: Subject, kind: Kind) -> Decision {
        let shared = &self.shared;
        let limit = {
            let limits = shared.limits.load();
            match kind {
                Kind::Read => limits.reads_per_minute,
                Kind::Write => limits.writes_per_minute,
            }
        };
        let key = key(subject, kind);
        let counted = shared.counter.take(&shared.cache, &key, limit, WINDOW);
        let (reading, place) = match counted.await {
            Some(reading) => (reading, Place::Redis),
            None => (shared.take(key, limit), Place::Instance),
        };
        shared.meters.decision(kind, place, reading.allowed);
        Decision::of(&reading, limit)
    }
}

impl Shared {
    /// Counts within the process.
    fn take(&self, key: String, limit: u32) -> Reading {
        let now = self.began.elapsed();
        let window = self.windows.get_with(key.into(), Arc::default);
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        window.take(now, limit, WINDOW)
    }
}

impl std::fmt::Debug for RateLimiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateLimiter").finish_non_exhaustive()
    }
}

/// Where a client's requests are counted. The 1 is the version of what stands
/// there.
fn key(subject: Subject, kind: Kind) -> String {
    let kind = kind.as_str();
    match subject {
        Subject::User(user) => format!("budgetd:limit:1:{kind}:user:{user}"),
        Subject::Address(address) => {
            let network = network(address);
            format!("budgetd:limit:1:{kind}:address:{network}")
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let upper = v6.to_bits() & (u128::from(u64::MAX) << 64);
            Ipv6Addr::from_bits(upper).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whole seconds, rounded up: whoever waits that long has waited enough.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_client() {
        let key = |address: &str| key(Subject::Address(address.parse().unwrap()), Kind::Read);
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("192.0.2.1"), "budgetd:limit:1:read:address:192.0.2.1");
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (millis, expected) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(seconds(Duration::from_millis(millis)), expected);
        }
    }
}
