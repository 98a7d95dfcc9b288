//! Whether the process itself works: whether its supervisor turns.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::supervisor::Pulse;

/// The supervisor turns at least once a second; silence this long is suspect.
const SILENCE: Duration = Duration::from_secs(10);
/// A suspicion must last: after a pause of the whole machine the first
/// question may be heard before the supervisor's next turn.
const CONFIRMED_AFTER: Duration = Duration::from_secs(2);

/// Answers liveness polls. It never looks at a dependency.
#[derive(Debug)]
pub(super) struct Liveness {
    pulse: Pulse,
    suspect_since: Mutex<Option<Instant>>,
}

impl Liveness {
    pub(super) fn new(pulse: Pulse) -> Self {
        Self {
            pulse,
            suspect_since: Mutex::new(None),
        }
    }

    /// An error is what is broken.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.pulse.age() < SILENCE {
            return Ok(());
        }
        self.suspect()
    }

    /// Kept apart from the usual answer, which takes no lock.
    fn suspect(&self) -> Result<(), String> {
        let now = Instant::now();
        let silent_since = now.checked_sub(self.pulse.age()).unwrap_or(now);
        let mut suspect_since = self
            .suspect_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A suspicion from before the last turn was about another silence.
        let since = suspect_since
            .filter(|since| *since > silent_since)
            .unwrap_or(now);
        *suspect_since = Some(since);
        if now.duration_since(since) < CONFIRMED_AFTER {
            return Ok(());
        }
        let seconds = self.pulse.age().as_secs();
        Err(format!("the supervisor has not turned for {seconds} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_lasting_silence_is_death() {
        let pulse = Pulse::new();
        let liveness = Liveness::new(pulse.clone());
        assert!(liveness.check().is_ok());

        // The machine was paused: one poll before the supervisor's next turn.
        tokio::time::advance(Duration::from_mins(10)).await;
        assert!(liveness.check().is_ok());
        pulse.beat(false);
        assert!(liveness.check().is_ok());

        // Polled each second from here on, the supervisor stays silent.
        let mut broken_after = None;
        for second in 1..=60 {
            tokio::time::advance(Duration::from_secs(1)).await;
            if liveness.check().is_err() {
                broken_after.get_or_insert(second);
            } else {
                assert!(
                    broken_after.is_none(),
                    "it does not come back from the dead"
                );
            }
        }
        assert_eq!(broken_after, Some(12));
        pulse.beat(false);
        assert!(liveness.check().is_ok());
    }
}
