//! The clock of a start deadline: it runs while a dependency is expected to
//! come up, pauses while it is blocked, and never starts again.

use std::time::Duration;

use tokio::time::Instant;

use crate::health::StartDeadline;

#[derive(Debug, Clone)]
pub(crate) struct StartClock {
    /// What is left, as of `running_since` if it runs. `None`: no deadline.
    left: Option<Duration>,
    running_since: Option<Instant>,
}

impl StartClock {
    pub(crate) fn new(deadline: Option<Duration>) -> Self {
        Self {
            left: deadline,
            running_since: None,
        }
    }

    /// Lets the clock run or pauses it; answers whether that is a change.
    pub(crate) fn set_running(&mut self, running: bool, now: Instant) -> bool {
        let changed = running != self.running_since.is_some();
        match (self.running_since, running) {
            (None, true) => self.running_since = Some(now),
            (Some(since), false) => {
                let spent = now.saturating_duration_since(since);
                self.left = self.left.map(|left| left.saturating_sub(spent));
                self.running_since = None;
            }
            _ => {}
        }
        changed
    }

    /// The same for readers of the snapshot.
    pub(crate) fn deadline(&self) -> StartDeadline {
        match (self.expires_at(), self.left) {
            (Some(end), _) => StartDeadline::At(end),
            (None, Some(left)) if self.running_since.is_none() => StartDeadline::Paused(left),
            (None, _) => StartDeadline::Never,
        }
    }

    /// When it runs out, while it runs.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        self.running_since?.checked_add(self.left?)
    }

    /// Does not count time in which the whole process stood still.
    pub(crate) fn skip(&mut self, gap: Duration) {
        self.running_since = self.running_since.map(|since| since + gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_pauses_and_never_starts_again() {
        let second = Duration::from_secs(1);
        let now = Instant::now();
        let mut clock = StartClock::new(Some(10 * second));
        assert_eq!(clock.expires_at(), None);
        assert_eq!(clock.deadline(), StartDeadline::Paused(10 * second));

        assert!(clock.set_running(true, now));
        assert!(!clock.set_running(true, now + second));
        assert_eq!(clock.deadline(), StartDeadline::At(now + 10 * second));
        assert_eq!(clock.expires_at(), Some(now + 10 * second));
        assert!(clock.set_running(false, now + 4 * second));
        assert_eq!(clock.expires_at(), None);
        assert_eq!(clock.deadline(), StartDeadline::Paused(6 * second));
        clock.set_running(true, now + 100 * second);
        assert_eq!(clock.expires_at(), Some(now + 106 * second));
        clock.skip(50 * second);
        assert_eq!(clock.expires_at(), Some(now + 156 * second));
    }

    #[tokio::test(start_paused = true)]
    async fn never_never_comes() {
        let mut clock = StartClock::new(None);
        clock.set_running(true, Instant::now());
        assert_eq!(clock.expires_at(), None);
        assert_eq!(clock.deadline(), StartDeadline::Never);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_beyond_all_time_never_comes_while_it_runs() {
        let mut clock = StartClock::new(Some(Duration::MAX));
        assert_eq!(clock.deadline(), StartDeadline::Paused(Duration::MAX));
        clock.set_running(true, Instant::now());
        assert_eq!(clock.deadline(), StartDeadline::Never);
    }
}
