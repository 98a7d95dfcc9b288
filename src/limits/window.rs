//! The sliding window over two counters: pure.
//!
//! Requests of the running window count in full, those of the one before by
//! the share of it that the last minute still overlaps. That is the usual
//! approximation of a count over the last minute:
//! <https://blog.cloudflare.com/counting-things-a-lot-of-different-things/>.
//! A client's windows begin with its first request, so it gets exactly its
//! limit within its first minute; it cannot get twice as much around an edge.

use std::time::Duration;

/// What limits are counted over.
pub(super) const WINDOW: Duration = Duration::from_mins(1);

/// What is counted of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// When the running window began, on the clock of whoever counts; `None`
    /// before the first request.
    start: Option<Duration>,
    previous: u32,
    current: u32,
}

/// What a window said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) allowed: bool,
    pub(super) limit: u32,
    pub(super) previous: u32,
    /// With this request, if it was allowed.
    pub(super) current: u32,
    /// Since the running window began.
    pub(super) elapsed: Duration,
    pub(super) length: Duration,
}

impl Window {
    /// Counts a request if the limit allows it. A request that is turned away
    /// is not counted: who waits is let in again.
    pub(super) fn take(&mut self, now: Duration, limit: u32, length: Duration) -> Reading {
        let elapsed = self.roll(now, length);
        let mut reading = Reading {
            allowed: false,
            limit,
            previous: self.previous,
            current: self.current,
            elapsed,
            length,
        };
        reading.allowed = reading.has_room();
        if reading.allowed {
            self.current += 1;
            reading.current += 1;
        }
        reading
    }

    /// Moves on to the window that runs now; answers with its age.
    fn roll(&mut self, now: Duration, length: Duration) -> Duration {
        let start = self.start.unwrap_or(now);
        // A clock that was set back stands still.
        let age = now.saturating_sub(start);
        let (start, previous, current) = if age < length {
            (start, self.previous, self.current)
        } else if age < 2 * length {
            (start + length, self.current, 0)
        } else {
            (now, 0, 0)
        };
        *self = Self {
            start: Some(start),
            previous,
            current,
        };
        now.saturating_sub(start)
    }
}

/// All of this in milliseconds, as Redis counts, and in whole numbers: a limit
/// is no matter of rounding.
impl Reading {
    fn has_room(&self) -> bool {
        self.room() >= self.length_ms()
    }

    /// How many requests would be allowed now.
    pub(super) fn remaining(&self) -> u32 {
        u32::try_from(self.room() / self.length_ms()).unwrap_or(u32::MAX)
    }

    pub(super) fn until_window_ends(&self) -> Duration {
        self.length.saturating_sub(self.elapsed)
    }

    /// How long after this one another request is allowed, if none comes in
    /// between.
    pub(super) fn until_allowed(&self) -> Duration {
        if self.has_room() {
            return Duration::ZERO;
        }
        let wait = |counted: u32, weighs: u32| {
            // The share of the previous window may be so much, so it must have
            // this age, rounded up.
            let bearable = u128::from(self.limit.saturating_sub(counted + 1)) * self.length_ms();
            let age = self.length_ms() - bearable / u128::from(weighs.max(1));
            Duration::from_millis(u64::try_from(age).unwrap_or(u64::MAX)).min(self.length)
        };
        if self.current < self.limit {
            return wait(self.current, self.previous).saturating_sub(self.elapsed);
        }
        // Not in this window: what is its count is then the previous one's.
        self.until_window_ends() + wait(0, self.current)
    }

    /// What is left of the limit, in requests times milliseconds.
    fn room(&self) -> u128 {
        let overlap = self.length_ms().saturating_sub(self.elapsed.as_millis());
        let counted =
            u128::from(self.previous) * overlap + u128::from(self.current) * self.length_ms();
        (u128::from(self.limit) * self.length_ms()).saturating_sub(counted)
    }

    fn length_ms(&self) -> u128 {
        self.length.as_millis().max(1)
    }
}

#[cfg(test)]
mod tests;
