//! Whether a server keeps its connections open.

use std::sync::atomic::{AtomicBool, Ordering};

/// What was learned of a server's habit, shared by all sessions of a probe.
///
/// Many HTTP and plain TCP servers close each connection by themselves, soon
/// or late, and a close is no news there. Were each one told as a loss, and
/// each loss answered with a check over a new connection, the two would chase
/// each other. So a loss is told only of a server that was seen to keep a
/// connection from one check to the next, and telling it spends what was
/// learned: there is never more than one loss to two checks.
#[derive(Debug, Default)]
pub(super) struct Habit(AtomicBool);

impl Habit {
    /// A connection was still open at the check after its first.
    pub(super) fn kept(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// A connection ended while nobody asked anything: whether that is news.
    pub(super) fn ended(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_what_was_kept_is_news_and_only_once() {
        let habit = Habit::default();
        assert!(!habit.ended());
        habit.kept();
        assert!(habit.ended());
        assert!(!habit.ended());
    }
}
