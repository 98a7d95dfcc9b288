//! Whether the whole process stood still: a paused virtual machine, a stopped
//! process.

use std::time::Duration;

use tokio::time::Instant;

use super::pulse::Pulse;

/// A turn this late means that everything stood still, not only dependencies.
/// A shorter gap must fit into the grace that a silent monitor has, or a sound
/// one would be replaced for it.
const GAP: Duration = Duration::from_secs(2);

/// When the supervisor last turned.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Instant);

/// The supervisor could not turn for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gap {
    /// Since the turn before.
    pub(crate) late: Duration,
    /// What of it counts for nobody.
    pub(crate) lost: Duration,
}

impl Turns {
    pub(crate) fn begin(now: Instant) -> Self {
        Self(now)
    }

    /// When the next turn is due, even if nothing happens.
    pub(crate) fn due(&self) -> Instant {
        self.0 + Pulse::PERIOD
    }

    /// Notes a turn; answers with the gap before it, if there was one.
    pub(crate) fn turn(&mut self, now: Instant) -> Option<Gap> {
        let late = now.duration_since(std::mem::replace(&mut self.0, now));
        (late >= GAP).then(|| Gap {
            late,
            lost: late.saturating_sub(Pulse::PERIOD),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_is_what_a_turn_may_not_take() {
        let now = Instant::now();
        let mut turns = Turns::begin(now);
        assert_eq!(turns.due(), now + Pulse::PERIOD);
        let just_in_time = now + GAP.saturating_sub(Duration::from_millis(1));
        assert_eq!(turns.turn(just_in_time), None);
        let gap = turns.turn(just_in_time + 10 * GAP).unwrap();
        assert_eq!(gap.late, 10 * GAP);
        assert_eq!(gap.lost + Pulse::PERIOD, gap.late);
    }
}
