//! Whether the supervisor turns, for whoever watches the watcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Proof that the supervisor turns.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    last: Arc<AtomicU64>,
    stuck: Arc<AtomicBool>,
}

impl Pulse {
    /// The supervisor turns at least this often.
    pub const PERIOD: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: Arc::default(),
            stuck: Arc::default(),
        }
    }

    /// The supervisor turns; `stuck` says whether some monitor can no longer
    /// be replaced.
    pub(crate) fn beat(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    /// How long ago the supervisor last turned; normally under a second.
    pub fn age(&self) -> Duration {
        let last = self.last.load(Ordering::Relaxed);
        Duration::from_millis(self.millis().saturating_sub(last))
    }

    /// When the supervisor last turned, to the millisecond.
    pub fn turned_at(&self) -> Instant {
        self.began + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Whether a monitor holds its thread, so that it cannot be replaced.
    pub fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
