//! The phases of the daemon's life, with one writer and many readers.
//!
//! Leaf vocabulary: it imports none of our modules.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use tokio::sync::watch;

/// Where the daemon is in its life. It only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The gate has not opened yet.
    Starting = 0,
    /// The gate has opened: the API listener accepts.
    Serving = 1,
    /// Shutdown has begun.
    Draining = 2,
    /// Nothing is served any more.
    Stopped = 3,
}

impl Phase {
    pub const ALL: [Self; 4] = [Self::Starting, Self::Serving, Self::Draining, Self::Stopped];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Set once the gate has opened, and kept through draining.
const GATE_OPENED: u8 = 0b1000_0000;

/// How far the daemon has come, and when it came there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    pub phase: Phase,
    pub since: Timestamp,
    /// When the gate opened, if it ever did.
    pub opened_at: Option<Timestamp>,
}

/// A writer and a reader of the phase, which begins as [`Phase::Starting`].
pub fn phase() -> (PhaseWriter, PhaseReader) {
    let cell = Arc::new(AtomicU8::new(Phase::Starting as u8));
    let (changed, changes) = watch::channel(Course {
        phase: Phase::Starting,
        since: Timestamp::now(),
        opened_at: None,
    });
    let writer = PhaseWriter {
        cell: cell.clone(),
        changed,
    };
    (writer, PhaseReader { cell, changes })
}

/// The only way to change the phase.
#[derive(Debug)]
pub struct PhaseWriter {
    cell: Arc<AtomicU8>,
    changed: watch::Sender<Course>,
}

impl PhaseWriter {
    /// Moves on to `phase`; a step backwards is ignored.
    pub fn advance(&mut self, phase: Phase) {
        let before = self.cell.load(Ordering::Acquire);
        if phase <= decode(before) {
            return;
        }
        let opened = (before & GATE_OPENED)
            | if phase == Phase::Serving {
                GATE_OPENED
            } else {
                0
            };
        self.cell.store(phase as u8 | opened, Ordering::Release);
        let since = Timestamp::now();
        self.changed.send_modify(|course| {
            *course = Course {
                phase,
                since,
                opened_at: (phase == Phase::Serving)
                    .then_some(since)
                    .or(course.opened_at),
            };
        });
    }
}

/// Reads the phase without a lock, or waits for it.
#[derive(Debug, Clone)]
pub struct PhaseReader {
    cell: Arc<AtomicU8>,
    changes: watch::Receiver<Course>,
}

impl PhaseReader {
    pub fn get(&self) -> Phase {
        decode(self.cell.load(Ordering::Acquire))
    }

    /// Whether the gate has ever opened.
    pub fn gate_opened(&self) -> bool {
        self.cell.load(Ordering::Acquire) & GATE_OPENED != 0
    }

    /// The same with its times; for people, because it takes a lock.
    pub fn course(&self) -> Course {
        *self.changes.borrow()
    }

    /// Waits until the phase is `phase` or a later one. A writer that is gone
    /// counts as [`Phase::Stopped`].
    pub async fn reached(&mut self, phase: Phase) {
        // An error means that the writer is gone: nothing will change any more.
        let _ = self.changes.wait_for(|now| now.phase >= phase).await;
    }

    /// Waits until the phase is a later one than `phase`; for ever, when there
    /// will be none.
    pub async fn left(&mut self, phase: Phase) {
        if self
            .changes
            .wait_for(|now| now.phase > phase)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

fn decode(bits: u8) -> Phase {
    match bits & !GATE_OPENED {
        0 => Phase::Starting,
        1 => Phase::Serving,
        2 => Phase::Draining,
        _ => Phase::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_phase_only_moves_forward() {
        let (mut writer, mut reader) = phase();
        assert_eq!(reader.get(), Phase::Starting);
        assert!(!reader.gate_opened());

        writer.advance(Phase::Serving);
        writer.advance(Phase::Draining);
        writer.advance(Phase::Serving);
        assert_eq!(reader.get(), Phase::Draining);
        assert!(reader.gate_opened(), "draining forgets nothing");
        let course = reader.course();
        assert_eq!(course.phase, Phase::Draining);
        assert!(
            course
                .opened_at
                .is_some_and(|opened| opened <= course.since)
        );
        reader.reached(Phase::Serving).await;
    }

    #[tokio::test]
    async fn a_stop_before_the_gate_opened_never_claims_it_did() {
        let (mut writer, reader) = phase();
        writer.advance(Phase::Draining);
        assert!(!reader.gate_opened());
        assert_eq!(reader.course().opened_at, None);
    }

    #[tokio::test]
    async fn a_lost_writer_ends_the_wait() {
        let (writer, mut reader) = phase();
        drop(writer);
        reader.reached(Phase::Stopped).await;
    }

    #[tokio::test]
    async fn the_same_phase_again_changes_nothing() {
        let (mut writer, reader) = phase();
        for phase in Phase::ALL {
            writer.advance(phase);
            let course = reader.course();
            assert_eq!((course.phase, reader.get()), (phase, phase));
            writer.advance(phase);
            assert_eq!(reader.course(), course);
            assert_eq!(reader.gate_opened(), phase >= Phase::Serving);
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_phase_waits_no_longer_and_no_shorter() {
        let (mut writer, reader) = phase();
        let reached = |phase| {
            let mut reader = reader.clone();
            async move { reader.reached(phase).await }.now_or_never()
        };
        let left = |phase| {
            let mut reader = reader.clone();
            async move { reader.left(phase).await }.now_or_never()
        };
        for now in Phase::ALL {
            writer.advance(now);
            for phase in Phase::ALL {
                assert_eq!(reached(phase).is_some(), phase <= now, "{phase} at {now}");
                assert_eq!(left(phase).is_some(), phase < now, "{phase} at {now}");
            }
        }
        drop(writer);
        assert!(left(Phase::Draining).is_some(), "it was left before");
        assert!(left(Phase::Stopped).is_none(), "nothing comes after it");
    }
}
