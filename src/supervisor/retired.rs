//! Monitors that were told to end and have not ended yet.

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::Id;
use tokio::time::Instant;

/// A task ends at its next `await` once it was told to, within microseconds.
/// One that is still there after this long holds a thread and will not let go.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// When each of them was told.
#[derive(Debug)]
pub(super) struct Retired<K = Id>(HashMap<K, Instant>);

impl<K: Eq + std::hash::Hash> Retired<K> {
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn told(&mut self, task: K, now: Instant) {
        self.0.insert(task, now);
    }

    pub(super) fn ended(&mut self, task: &K) {
        self.0.remove(task);
    }

    /// The whole process stood still: nobody could end meanwhile.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.0.values_mut().for_each(|told| *told = now);
    }

    /// Whether one of them cannot be replaced.
    pub(super) fn any_stuck(&self, now: Instant) -> bool {
        let mut ages = self.0.values().map(|told| now.duration_since(*told));
        ages.any(|age| age >= STUCK_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_holds_its_thread_is_stuck_until_it_lets_go() {
        let now = Instant::now();
        let mut retired = Retired::none();
        retired.told(1, now);
        retired.told(2, now + STUCK_AFTER / 2);
        assert!(!retired.any_stuck(now + STUCK_AFTER / 2));
        assert!(retired.any_stuck(now + STUCK_AFTER));
        retired.ended(&1);
        assert!(!retired.any_stuck(now + STUCK_AFTER));
        assert!(retired.any_stuck(now + 2 * STUCK_AFTER));

        retired.forgive(now + 2 * STUCK_AFTER);
        assert!(!retired.any_stuck(now + 2 * STUCK_AFTER));
        assert!(retired.any_stuck(now + 3 * STUCK_AFTER));
    }
}
