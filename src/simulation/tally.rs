//! What happened in many histories: a simulation in which nothing happens
//! proves nothing.

use crate::health::machine::TransitionKind;
use crate::supervisor::inside::Line;

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) checks: u64,
    pub(super) gaps: u64,
    pub(super) gates: u64,
    pub(super) reloads_applied: u64,
    pub(super) reloads_refused: u64,
    pub(super) restarts: u64,
    pub(super) blocked: u64,
    pub(super) recovered: u64,
    pub(super) fatals: u64,
    pub(super) settled: u64,
    pub(super) stops: u64,
    pub(super) second_signals: u64,
}

impl Tally {
    pub(super) fn tell(&mut self, line: &Line) {
        match line {
            Line::Transition(_, step) if step.kind == TransitionKind::Blocked => self.blocked += 1,
            Line::Transition(_, step) if step.kind == TransitionKind::Recovered => {
                self.recovered += 1;
            }
            Line::ProbeRestarted { .. } => self.restarts += 1,
            _ => {}
        }
    }

    pub(super) fn reloaded(&mut self, applied: bool) {
        if applied {
            self.reloads_applied += 1;
        } else {
            self.reloads_refused += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.events, other.events),
            (&mut self.checks, other.checks),
            (&mut self.gaps, other.gaps),
            (&mut self.gates, other.gates),
            (&mut self.reloads_applied, other.reloads_applied),
            (&mut self.reloads_refused, other.reloads_refused),
            (&mut self.restarts, other.restarts),
            (&mut self.blocked, other.blocked),
            (&mut self.recovered, other.recovered),
            (&mut self.fatals, other.fatals),
            (&mut self.settled, other.settled),
            (&mut self.stops, other.stops),
            (&mut self.second_signals, other.second_signals),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
    }
}

impl Tally {
    /// Everything happened, and not only now and then.
    pub(super) fn assert_rich(&self) {
        for (what, times) in [
            ("gaps", self.gaps),
            ("gates", self.gates),
            ("reloads applied", self.reloads_applied),
            ("reloads refused", self.reloads_refused),
            ("restarts", self.restarts),
            ("blocked", self.blocked),
            ("recovered", self.recovered),
            ("fatals", self.fatals),
            ("settled", self.settled),
            ("stops", self.stops),
            ("second signals", self.second_signals),
        ] {
            assert!(times >= 100, "too few {what}: {self:?}");
        }
    }
}
