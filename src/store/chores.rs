//! When idle connections are let go of.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::dependency::DATABASE;
use crate::health::{Reader, Status};

/// How often connections that are past their lifetime are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);

/// What is to be done with idle connections, so that nobody meets one that is
/// of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chore {
    /// The database is declared down: none of them is worth keeping.
    Purge,
    /// Some may be past their lifetime.
    Sweep,
}

#[derive(Debug)]
pub(super) struct Chores {
    health: Reader,
    /// Goes on whatever is published meanwhile.
    sweeps: Interval,
}

impl Chores {
    pub(super) fn new(health: Reader) -> Self {
        let mut sweeps = interval(SWEEP_INTERVAL);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { health, sweeps }
    }

    /// `None`: nothing will be published any more.
    pub(super) async fn next(&mut self) -> Option<Chore> {
        loop {
            tokio::select! {
                published = self.health.changed() => {
                    let snapshot = &published.ok()?.snapshot;
                    let database = snapshot.dependencies.get(DATABASE);
                    if database.is_some_and(|database| database.status == Status::Error) {
                        return Some(Chore::Purge);
                    }
                }
                _ = self.sweeps.tick() => return Some(Chore::Sweep),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::health::tests::{pair, snapshot};

    #[tokio::test(start_paused = true)]
    async fn what_is_published_puts_off_no_sweep() {
        let (mut writer, reader) = pair();
        let mut chores = Chores::new(reader);
        assert_eq!(
            chores.next().await,
            Some(Chore::Sweep),
            "the first is at once"
        );
        let began = Instant::now();
        let publishing = async {
            for sequence in 2.. {
                sleep(Duration::from_secs(1)).await;
                writer.publish(snapshot(sequence, Status::Ok));
            }
        };
        tokio::select! {
            chore = chores.next() => assert_eq!(chore, Some(Chore::Sweep)),
            () = publishing => {}
        }
        assert_eq!(began.elapsed(), SWEEP_INTERVAL);
    }
}
