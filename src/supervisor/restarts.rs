//! How often a monitor may be replaced before the process gives up.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// More than [`LIMIT`] restarts within this time are too many.
pub(crate) const WINDOW: Duration = Duration::from_secs(30);
pub(crate) const LIMIT: usize = 5;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// The restarts of one monitor that are still remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// Notes one more; answers with the delay before the replacement starts,
    /// or with nothing when there were too many.
    pub(crate) fn note(&mut self, now: Instant) -> Option<Duration> {
        while self
            .0
            .front()
            .is_some_and(|at| now.duration_since(*at) > WINDOW)
        {
            self.0.pop_front();
        }
        self.0.push_back(now);
        if self.0.len() > LIMIT {
            return None;
        }
        let doublings = u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX);
        Some((FIRST_DELAY * 2_u32.pow(doublings)).min(LONGEST_DELAY))
    }

    /// How many are remembered.
    pub(crate) fn recent(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_sixth_within_the_window_is_too_many() {
        let mut restarts = Restarts::default();
        let now = Instant::now();
        let delays: Vec<u128> = (0..LIMIT)
            .map(|_| restarts.note(now).unwrap().as_millis())
            .collect();
        assert_eq!(delays, [100, 200, 400, 800, 1600]);
        assert_eq!(restarts.note(now), None);
    }

    #[tokio::test(start_paused = true)]
    async fn old_ones_are_forgotten() {
        let mut restarts = Restarts::default();
        let mut now = Instant::now();
        for _ in 0..100 {
            now += WINDOW / 4;
            assert!(restarts.note(now).is_some());
        }
    }
}
