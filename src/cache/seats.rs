//! A bound on how much is done at once; what exceeds it is turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Arc<AtomicUsize>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Arc<AtomicUsize>,
}

impl Seats {
    /// A seat, unless `limit` are taken. The limit may change from call to call.
    pub(super) fn take(&self, limit: usize) -> Option<Seat> {
        let another = |taken| (taken < limit).then_some(taken + 1);
        let counted = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, another);
        counted.ok().map(|_| Seat {
            taken: self.taken.clone(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_limited_and_given_back() {
        let seats = Seats::default();
        let held = [seats.take(2), seats.take(2)];
        assert!(held.iter().all(Option::is_some));
        assert!(seats.take(2).is_none());
        assert!(seats.take(3).is_some(), "and that one is free again");
        drop(held);
        assert!(seats.take(1).is_some());
        assert!(seats.take(0).is_none());
    }
}
