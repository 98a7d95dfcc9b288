//! Snapshot, gate and phase: from the supervisor, over the gate, to whoever is
//! asked whether budgetd is ready.

use crate::real::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use loom::future::block_on;
use loom::thread;

use crate::dependency::{Kind, Policy};
use crate::gate::Gate;
use crate::health::readiness::{Overall, Readiness};
use crate::health::{
    self, DependencyHealth, Reader, Snapshot, Status, Writer, WriterGone,
};
use crate::shutdown::{self, Phase};

/// One required dependency that is in this status.
fn snapshot(sequence: u64, status: Status) -> Snapshot {
    let dependency = DependencyHealth {
        status,
        ..DependencyHealth::unknown("database".parse().expect("it is a legal name"), Kind::Postgres, Policy::Required, Timestamp::UNIX_EPOCH)
    };
    Snapshot {
        sequence,
        dependencies: [Arc::new(dependency)].into_iter().collect(),
        timeline: Arc::default(),
    }
}

/// The first snapshot of a daemon that knows nothing yet.
fn beginning() -> (Writer, Reader) {
    health::channel(snapshot(1, Status::Starting), |_| Bytes::new())
}

/// Whoever waits for changes sees the last one, never an older state than the
/// one before, and learns of the writer's end only after it.
pub(crate) fn no_publication_is_missed() {
    let (mut writer, mut reader) = beginning();
    let supervisor = thread::spawn(move || {
        writer.publish(snapshot(2, Status::Error));
        writer.publish(snapshot(3, Status::Ok));
    });
    let mut seen = 1;
    while let Ok(published) = block_on(reader.changed()) {
        assert!(published.snapshot.sequence >= seen, "it went back");
        seen = published.snapshot.sequence;
    }
    assert_eq!(seen, 3, "the last publication was missed");
    supervisor.join().expect("it does not panic");
}

/// A gate that waits is woken by what opens it, whenever that comes, and then
/// the state that opened it is there for all who are told that it is open.
pub(crate) fn the_gate_hears_what_opens_it() {
    let (mut writer, mut reader) = beginning();
    let (phase_writer, phase) = shutdown::phase();
    let readiness = Readiness {
        health: reader.clone(),
        phase,
    };
    let supervisor = thread::spawn(move || {
        writer.publish(snapshot(2, Status::Ok));
        writer
    });
    let gate = thread::spawn(move || {
        let mut gate = Gate::new(phase_writer);
        let opened = block_on(gate.may_open(&mut reader)).expect("the writer lives");
        assert_eq!(opened.snapshot.sequence, 2);
        gate.opened();
        gate
    });
    if readiness.phase.get() == Phase::Serving {
        let seen = readiness.health.current().snapshot.sequence;
        assert_eq!(seen, 2, "open, and the state that opened it is not there");
    }
    let writer = supervisor.join();
    let gate = gate.join();
    drop((writer, gate));
}

/// A supervisor that ends opens nothing, and leaves nobody waiting; what it
/// published last still counts.
pub(crate) fn a_lost_supervisor_opens_nothing() {
    for last in [Status::Error, Status::Ok] {
        let (mut writer, mut reader) = beginning();
        let (phase_writer, _phase) = shutdown::phase();
        let supervisor = thread::spawn(move || writer.publish(snapshot(2, last)));
        let gate = Gate::new(phase_writer);
        let answer = block_on(gate.may_open(&mut reader));
        match last {
            Status::Ok => assert_eq!(answer.expect("it was up").snapshot.sequence, 2),
            _ => assert_eq!(answer.err(), Some(WriterGone)),
        }
        supervisor.join().expect("it does not panic");
    }
}

/// What readiness says was so at one instant while it was asked; in the order
/// of events, and never of a state and a phase that did not meet. `look`
/// answers with a sequence and a phase.
fn readiness_says_what_was(look: impl Fn(&Readiness) -> (u64, Phase, Overall)) {
    use Phase::{Draining, Serving, Starting};
    // What is true after each step below.
    const TRUTH: [(u64, Phase); 6] = [
        (1, Starting),
        (2, Starting),
        (3, Starting),
        (3, Serving),
        (4, Serving),
        (4, Draining),
    ];
    let (mut writer, health) = beginning();
    let (phase_writer, phase) = shutdown::phase();
    let readiness = Readiness { health, phase };
    let daemon = thread::spawn(move || {
        let mut gate = Gate::new(phase_writer);
        writer.publish(snapshot(2, Status::Ok));
        writer.publish(snapshot(3, Status::Error));
        gate.opened();
        writer.publish(snapshot(4, Status::Ok));
        gate.drain();
    });
    let mut before = 0;
    for _ in 0..2 {
        let (sequence, phase, overall) = look(&readiness);
        let now = TRUTH.iter().position(|truth| *truth == (sequence, phase));
        let now = now.unwrap_or_else(|| {
            panic!("{overall}: snapshot {sequence} was never there while {phase}")
        });
        assert!(now >= before, "it went back");
        before = now;
    }
    daemon.join().expect("it does not panic");
}

pub(crate) fn readiness_says_what_was_so() {
    readiness_says_what_was(|readiness| {
        let (published, phase) = readiness.now();
        let overall = published.verdict.overall(phase);
        (published.snapshot.sequence, phase, overall)
    });
}

pub(crate) fn the_status_says_what_was_so() {
    readiness_says_what_was(|readiness| {
        let (published, course) = readiness.course();
        let overall = published.verdict.overall(course.phase);
        assert_eq!(course.opened_at.is_some(), course.phase >= Phase::Serving);
        (published.snapshot.sequence, course.phase, overall)
    });
}

/// Who has waited for a phase finds it everywhere, and nobody waits for ever.
pub(crate) fn a_phase_is_reached_everywhere() {
    let (mut writer, mut reader) = shutdown::phase();
    let daemon = thread::spawn(move || {
        writer.advance(Phase::Serving);
        writer.advance(Phase::Draining);
        writer
    });
    block_on(reader.left(Phase::Starting));
    assert!(reader.get() >= Phase::Serving);
    assert!(reader.gate_opened(), "draining forgets nothing");
    block_on(reader.reached(Phase::Draining));
    assert_eq!(reader.get(), Phase::Draining);
    assert!(reader.gate_opened(), "draining forgets nothing");
    drop(daemon.join());
    block_on(reader.reached(Phase::Stopped));
}
