//! The one place that decides whether the API listener is open.
//!
//! It opens once, when everything that gates is up in one and the same
//! snapshot, and closes for good when shutdown begins. A loss in between keeps
//! it open: readiness says `unavailable`, and requests are refused at once.

use std::sync::Arc;

use crate::health::{Published, Reader, WriterGone};
use crate::shutdown::{Phase, PhaseWriter};

/// What the gate has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The listener must not accept yet.
    Shut,
    /// The listener accepts.
    Open,
    /// The listener stops accepting when the drain delay is over.
    Draining,
}

/// The decision: a pure function of the phase, and of whether everything that
/// gates was up in one snapshot.
pub fn decide(phase: Phase, gate_opens: bool) -> Decision {
    match phase {
        Phase::Starting if gate_opens => Decision::Open,
        Phase::Starting => Decision::Shut,
        Phase::Serving => Decision::Open,
        Phase::Draining | Phase::Stopped => Decision::Draining,
    }
}

/// The only writer of the phase.
#[derive(Debug)]
pub struct Gate {
    phase: PhaseWriter,
    now: Phase,
}

impl Gate {
    /// A gate that is shut.
    pub fn new(phase: PhaseWriter) -> Self {
        Self {
            phase,
            now: Phase::Starting,
        }
    }

    pub fn phase(&self) -> Phase {
        self.now
    }

    /// Waits for a snapshot that opens a shut gate, and answers with it. A
    /// supervisor that is gone never opens anything.
    pub async fn may_open(&self, health: &mut Reader) -> Result<Arc<Published>, WriterGone> {
        let phase = self.now;
        health
            .wait_for(|published| decide(phase, published.gate_opens) == Decision::Open)
            .await
    }

    /// The listener accepts.
    pub fn opened(&mut self) {
        self.advance(Phase::Serving);
    }

    /// Shutdown has begun.
    pub fn drain(&mut self) {
        self.advance(Phase::Draining);
    }

    /// Nothing is served any more.
    pub fn stopped(&mut self) {
        self.advance(Phase::Stopped);
    }

    fn advance(&mut self, phase: Phase) {
        self.now = self.now.max(phase);
        self.phase.advance(phase);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::health::Status;
    use crate::health::tests::{pair, snapshot};

    #[test]
    fn it_opens_only_when_all_that_gates_was_up() {
        assert_eq!(decide(Phase::Starting, false), Decision::Shut);
        assert_eq!(decide(Phase::Starting, true), Decision::Open);
        for gate_opens in [false, true] {
            assert_eq!(decide(Phase::Serving, gate_opens), Decision::Open);
            assert_eq!(decide(Phase::Draining, gate_opens), Decision::Draining);
            assert_eq!(decide(Phase::Stopped, gate_opens), Decision::Draining);
        }
    }

    #[test]
    fn others_learn_of_it_through_the_phase() {
        let (writer, phase) = crate::shutdown::phase();
        let mut gate = Gate::new(writer);
        let now = |gate: &Gate| (gate.phase(), phase.get());
        assert_eq!(now(&gate), (Phase::Starting, Phase::Starting));
        gate.opened();
        assert_eq!(now(&gate), (Phase::Serving, Phase::Serving));
        gate.drain();
        assert_eq!(now(&gate), (Phase::Draining, Phase::Draining));
        gate.opened();
        assert_eq!(now(&gate), (Phase::Draining, Phase::Draining));
        gate.stopped();
        assert_eq!(now(&gate), (Phase::Stopped, Phase::Stopped));
        assert!(phase.gate_opened());
    }

    #[test]
    fn it_waits_for_what_opens_it_and_not_for_ever() {
        let (phase_writer, _phase) = crate::shutdown::phase();
        let (mut writer, mut health) = pair();
        let gate = Gate::new(phase_writer);
        let mut may_open = || gate.may_open(&mut health).now_or_never();
        assert!(may_open().is_none());
        writer.publish(snapshot(2, Status::Error));
        assert!(may_open().is_none());
        writer.publish(snapshot(3, Status::Ok));
        let opened = may_open().unwrap().unwrap();
        assert_eq!(opened.snapshot.sequence, 3);
        writer.publish(snapshot(4, Status::Error));
        let opened = may_open().unwrap().unwrap();
        assert_eq!(opened.snapshot.sequence, 4, "it may look late");

        let (writer, mut health) = pair();
        drop(writer);
        let lost = gate.may_open(&mut health).now_or_never().unwrap();
        assert_eq!(lost.err(), Some(WriterGone));
    }
}
