//! The sliding window over a log of what was allowed: pure.
//!
//! No span of a minute, wherever it begins, holds more requests than the
//! limit, and whoever is turned away is told exactly when the oldest of them is
//! forgotten, which is in a minute at most. The price is a time for each
//! request of the last minute: never more of them than the limit.

use std::collections::VecDeque;
use std::time::Duration;

/// What limits are counted over.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// When requests of one client were allowed, the oldest first, on the clock of
/// whoever counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Window(VecDeque<Duration>);

/// What a window said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) allowed: bool,
    /// With this request, if it was allowed. More than the limit when that was
    /// lowered since.
    pub(super) counted: u32,
    /// Until the oldest request is forgotten.
    pub(super) until_forgotten: Duration,
    /// Until another request is allowed, if none comes in between.
    pub(super) until_allowed: Duration,
}

impl Window {
    /// Counts a request if the limit allows it. A request that is turned away
    /// is not counted: who waits is let in again.
    pub(super) fn take(&mut self, now: Duration, limit: u32, length: Duration) -> Reading {
        // What lies a whole window ahead was written by a clock that was wrong.
        let is_over = |at: &Duration| at.abs_diff(now) >= length;
        while self.0.front().is_some_and(is_over) {
            self.0.pop_front();
        }
        // A clock that was set back by less stands still.
        let now = self.0.back().map_or(now, |newest| now.max(*newest));
        let allowed = self.counted() < limit;
        if allowed {
            self.0.push_back(now);
        }
        let counted = self.counted();
        let until_over = |index: u32| {
            let at = usize::try_from(index).ok().and_then(|at| self.0.get(at));
            at.map_or(Duration::ZERO, |at| (*at + length).saturating_sub(now))
        };
        Reading {
            allowed,
            counted,
            until_forgotten: until_over(0),
            until_allowed: counted
                .checked_sub(limit)
                .map_or(Duration::ZERO, until_over),
        }
    }

    fn counted(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
