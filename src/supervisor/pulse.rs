//! Whether the supervisor turns, for whoever watches the watcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Proof that the supervisor turns.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    last: Arc<AtomicU64>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: Arc::default(),
        }
    }

    pub(crate) fn beat(&self) {
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    /// How long ago the supervisor last turned; normally under a second.
    pub fn age(&self) -> Duration {
        let last = self.last.load(Ordering::Relaxed);
        Duration::from_millis(self.millis().saturating_sub(last))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
