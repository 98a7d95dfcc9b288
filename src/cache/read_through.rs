//! Values that are computed once, kept, and never wrong.
//!
//! A value is kept under a key that holds the revision it was made from, so
//! what is kept needs no care: another revision is asked for under another
//! key. That holds through any outage of Redis and on every instance.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rand::{Rng, RngExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::flights::{Flights, Lost};
use super::memory::Memory;
use super::seats::Seats;
use super::{Client, Key, envelope};
use crate::config::Config;

mod meters;

pub use meters::ReadMeters;

/// What the tier inside the process may weigh, in bytes.
const MEMORY: usize = 32 << 20;
/// So many values may be on their way to Redis; further ones are not kept.
const WRITES: usize = 64;
/// So many computings may share one connection of the pool: some run while the
/// others wait for it, within `database.pool_timeout`.
const COMPUTINGS_PER_CONNECTION: usize = 4;
/// Expiries differ by up to this share, so that what was computed together is
/// not computed anew together.
const SPREAD: f64 = 0.1;

/// Reads values through two tiers: the process, and Redis. Cloning it shares
/// them. `E` is how computing fails.
pub struct ReadThrough<E> {
    shared: Arc<Shared<E>>,
}

impl<E> Clone for ReadThrough<E> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

struct Shared<E> {
    client: Client,
    memory: Memory,
    flights: Flights<Key, Result<Found, ReadError<E>>>,
    computing: Seats,
    writing: Seats,
    settings: ArcSwap<Settings>,
    meters: ReadMeters,
    tasks: TaskTracker,
    closing: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct Settings {
    ttl: Duration,
    computings: usize,
}

impl Settings {
    fn of(config: &Config) -> Self {
        Self {
            ttl: config.cache.ttl,
            computings: config.database.pool_size * COMPUTINGS_PER_CONNECTION,
        }
    }
}

/// A body, and what it was made from: that may be newer than what was asked
/// for, and is what it is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    pub key: Key,
    pub body: Bytes,
}

/// A body, what it was made from, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub key: Key,
    pub body: Bytes,
    pub outcome: Outcome,
}

/// Where a body came from, as `X-Cache` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was kept, in the process or in Redis.
    Hit,
    /// It was computed: Redis did not have it.
    Miss,
    /// It was computed, and Redis could not be asked.
    Bypass,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// As much as may be is being computed; nothing was begun.
    #[error("cannot compute it now: as much as may be is being computed")]
    Overloaded,
    /// Computing failed, for everybody who waited for it.
    #[error("{0}")]
    Failed(Arc<E>),
    /// Computing panicked, or the daemon stops.
    #[error("cannot compute it: the computing broke off")]
    Broken,
}

impl<E> Clone for ReadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Overloaded => Self::Overloaded,
            Self::Failed(error) => Self::Failed(error.clone()),
            Self::Broken => Self::Broken,
        }
    }
}

impl<E: Send + Sync + 'static> ReadThrough<E> {
    pub fn new(config: &Config, client: Client) -> Self {
        Self {
            shared: Arc::new(Shared {
                client,
                memory: Memory::new(MEMORY),
                flights: Flights::new(),
                computing: Seats::default(),
                writing: Seats::default(),
                settings: ArcSwap::from_pointee(Settings::of(config)),
                meters: ReadMeters::default(),
                tasks: TaskTracker::new(),
                closing: CancellationToken::new(),
            }),
        }
    }

    /// Takes over a reloaded configuration.
    pub fn reconfigure(&self, config: &Config) {
        self.shared.settings.store(Arc::new(Settings::of(config)));
    }

    pub fn meters(&self) -> &ReadMeters {
        &self.shared.meters
    }

    /// Breaks off what is still being computed and waits until it has ended.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// The body kept under `key`, or else what `compute` answers with.
    ///
    /// Of all who want the same key at the same time, only one computes, as a
    /// task of its own that outlives whoever asked: the others get the same
    /// body or the same error. `compute` does nothing unless it is needed.
    pub async fn get(
        &self,
        key: Key,
        compute: impl Future<Output = Result<Computed, E>> + Send + 'static,
    ) -> Result<Found, ReadError<E>> {
        let found = self.find(key, compute).await;
        self.shared.meters.read(&found);
        found
    }

    async fn find(
        &self,
        key: Key,
        compute: impl Future<Output = Result<Computed, E>> + Send + 'static,
    ) -> Result<Found, ReadError<E>> {
        if let Some(found) = self.shared.remembered(&key) {
            return Ok(found);
        }
        let flight = self.shared.clone().fetch(key.clone(), compute);
        let boarded = self.shared.flights.board(
            &key,
            || self.shared.remembered(&key).map(Ok),
            flight,
            |flying| {
                let closing = self.shared.closing.clone();
                let task = closing.run_until_cancelled_owned(flying.run());
                self.shared.tasks.spawn(task);
            },
        );
        boarded.await.unwrap_or_else(|Lost| Err(ReadError::Broken))
    }
}

impl<E: Send + Sync + 'static> Shared<E> {
    fn remembered(&self, key: &Key) -> Option<Found> {
        let body = self.memory.get(key)?;
        self.meters.memory_hits.inc();
        Some(Found {
            key: key.clone(),
            body,
            outcome: Outcome::Hit,
        })
    }

    async fn fetch(
        self: Arc<Self>,
        key: Key,
        compute: impl Future<Output = Result<Computed, E>> + Send,
    ) -> Result<Found, ReadError<E>> {
        let outcome = match self.recall(&key).await {
            Ok(body) => {
                self.memory.put(key.clone(), body.clone(), self.ttl());
                let outcome = Outcome::Hit;
                return Ok(Found { key, body, outcome });
            }
            Err(outcome) => outcome,
        };
        let Computed { key, body } = self.compute(compute).await?;
        self.memory.put(key.clone(), body.clone(), self.ttl());
        self.keep(key.clone(), body.clone());
        Ok(Found { key, body, outcome })
    }

    /// What Redis has, or how a body that is computed instead came to be.
    async fn recall(&self, key: &Key) -> Result<Bytes, Outcome> {
        let kept = self.client.get(key.as_str()).await;
        let sealed = kept.map_err(|_| Outcome::Bypass)?.ok_or(Outcome::Miss)?;
        envelope::open(key, sealed).ok_or_else(|| {
            self.meters.unreadable.inc();
            Outcome::Miss
        })
    }

    async fn compute(
        &self,
        compute: impl Future<Output = Result<Computed, E>>,
    ) -> Result<Computed, ReadError<E>> {
        let limit = self.settings.load().computings;
        let _seat = self.computing.take(limit).ok_or(ReadError::Overloaded)?;
        self.meters.computed.inc();
        compute
            .await
            .map_err(|error| ReadError::Failed(Arc::new(error)))
    }

    /// Hands a body to Redis while the request goes on.
    fn keep(self: &Arc<Self>, key: Key, body: Bytes) {
        if self.client.is_bypassed() {
            return;
        }
        let Some(seat) = self.writing.take(WRITES) else {
            self.meters.not_kept.inc();
            return;
        };
        let shared = self.clone();
        let writing = async move {
            let _seat = seat;
            match envelope::seal(&key, &body) {
                // Whoever asks next computes it anew: a failure is counted, and
                // costs no more than that.
                Some(sealed) => {
                    let ttl = shared.ttl();
                    let _ = shared.client.set(key.as_str(), &sealed, ttl).await;
                }
                None => {
                    shared.meters.not_kept.inc();
                }
            }
        };
        let closing = self.closing.clone();
        self.tasks.spawn(closing.run_until_cancelled_owned(writing));
    }

    fn ttl(&self) -> Duration {
        spread(self.settings.load().ttl, &mut rand::rng())
    }
}

impl<E> std::fmt::Debug for ReadThrough<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadThrough").finish_non_exhaustive()
    }
}

/// `ttl`, more or less by up to [`SPREAD`].
fn spread(ttl: Duration, rng: &mut impl Rng) -> Duration {
    ttl.mul_f64(rng.random_range(1.0 - SPREAD..=1.0 + SPREAD))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn expiries_are_spread_over_a_fifth() {
        let mut rng = SmallRng::seed_from_u64(1);
        let ttl = Duration::from_secs(1_000);
        let all: Vec<Duration> = (0..1_000).map(|_| spread(ttl, &mut rng)).collect();
        let (shortest, longest) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!((900..905).contains(&shortest.as_secs()), "{shortest:?}");
        assert!((1_095..=1_100).contains(&longest.as_secs()), "{longest:?}");
    }
}
