//! What happened in many histories: a simulation in which nothing happens
//! proves nothing.

use std::time::Duration;

use super::history::History;
use crate::health::machine::TransitionKind;
use crate::supervisor::inside::Line;

/// So many dependencies are a large graph.
pub(super) const LARGE: usize = 200;

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
    settled: u64,
    /// Of its bound, the most that one history took to settle.
    slowest_percent: u64,
    /// Histories of graphs as large as one may sensibly be.
    large: u64,
    large_settled: u64,
    pub(super) stops: u64,
    pub(super) second_signals: u64,
}

impl Tally {
    pub(super) fn of(history: &History) -> Self {
        Self {
            large: u64::from(history.parts.len() >= LARGE),
            ..Self::default()
        }
    }

    /// Everything was up within its bound.
    pub(super) fn settled(&mut self, took: Duration, bound: Duration) {
        self.settled += 1;
        self.large_settled += self.large;
        let percent = took.as_millis() * 100 / bound.as_millis().max(1);
        self.slowest_percent = u64::try_from(percent).unwrap_or(u64::MAX);
    }

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
            (&mut self.large, other.large),
            (&mut self.large_settled, other.large_settled),
            (&mut self.stops, other.stops),
            (&mut self.second_signals, other.second_signals),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
        self.slowest_percent = self.slowest_percent.max(other.slowest_percent);
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
        assert!(self.large >= 10, "too few large graphs: {self:?}");
        assert!(self.large_settled > 0, "no large graph settles: {self:?}");
        assert!(self.slowest_percent >= 50, "the bound is loose: {self:?}");
    }
}
