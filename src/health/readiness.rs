//! The verdict over the whole graph: a pure function of phase and statuses,
//! and the way to read both as they were at one instant.

use std::fmt;
use std::sync::Arc;

use super::{DependencyHealth, Published, Reader, Status};
use crate::dependency::Policy;
use crate::shutdown::{Course, Phase, PhaseReader};

/// What readiness says of the daemon as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overall {
    /// The gate has not opened yet.
    Starting,
    /// Every enabled dependency is up.
    Ok,
    /// Every required dependency is up, some other is not.
    Degraded,
    /// The gate opened once, and a required dependency is not up.
    Unavailable,
    /// Shutdown has begun.
    Draining,
}

impl Overall {
    pub const ALL: [Self; 5] = [
        Self::Starting,
        Self::Ok,
        Self::Degraded,
        Self::Unavailable,
        Self::Draining,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Unavailable => "unavailable",
            Self::Draining => "draining",
        }
    }

    /// Whether a load balancer should send requests here.
    pub fn is_ready(self) -> bool {
        matches!(self, Self::Ok | Self::Degraded)
    }
}

impl fmt::Display for Overall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How many dependencies there are of each policy in each status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally([[usize; Status::ALL.len()]; Policy::ALL.len()]);

impl Tally {
    pub fn count(&mut self, policy: Policy, status: Status) {
        self.0[policy as usize][status as usize] += 1;
    }

    /// Takes back that one was counted.
    pub fn forget(&mut self, policy: Policy, status: Status) {
        self.0[policy as usize][status as usize] -= 1;
    }

    /// How many are in this status.
    pub fn of(&self, status: Status) -> usize {
        self.0.iter().map(|counts| counts[status as usize]).sum()
    }

    pub fn verdict(&self) -> Verdict {
        let is_down = |status: &Status| status.counts() && !status.is_up();
        let all_up = |policy: Policy| {
            let mut down = Status::ALL.into_iter().filter(is_down);
            down.all(|status| self.0[policy as usize][status as usize] == 0)
        };
        Verdict {
            gating_up: Policy::ALL.into_iter().filter(|p| p.gates()).all(all_up),
            required_up: all_up(Policy::Required),
            all_up: Policy::ALL.into_iter().all(all_up),
        }
    }
}

impl<'a> FromIterator<&'a Arc<DependencyHealth>> for Tally {
    fn from_iter<I: IntoIterator<Item = &'a Arc<DependencyHealth>>>(dependencies: I) -> Self {
        let mut tally = Self::default();
        for dependency in dependencies {
            tally.count(dependency.policy, dependency.status);
        }
        tally
    }
}

/// What the statuses of a set of dependencies add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Every required and startup dependency is up: the gate may open.
    pub gating_up: bool,
    /// Every required dependency is up.
    pub required_up: bool,
    /// Every dependency that counts is up.
    pub all_up: bool,
}

impl Verdict {
    pub fn of<'a>(dependencies: impl IntoIterator<Item = &'a Arc<DependencyHealth>>) -> Self {
        Tally::from_iter(dependencies).verdict()
    }

    pub fn overall(self, phase: Phase) -> Overall {
        match phase {
            Phase::Starting => Overall::Starting,
            Phase::Draining | Phase::Stopped => Overall::Draining,
            Phase::Serving if !self.required_up => Overall::Unavailable,
            Phase::Serving if self.all_up => Overall::Ok,
            Phase::Serving => Overall::Degraded,
        }
    }
}

/// What readiness is said of: state and phase, read without a lock.
#[derive(Debug, Clone)]
pub struct Readiness {
    pub health: Reader,
    pub phase: PhaseReader,
}

impl Readiness {
    /// State and phase of one and the same instant.
    pub fn now(&self) -> (Arc<Published>, Phase) {
        self.while_it_stands(PhaseReader::get)
    }

    /// The same with the times of the phase; for people, because it takes a
    /// lock.
    pub fn course(&self) -> (Arc<Published>, Course) {
        self.while_it_stands(PhaseReader::course)
    }

    /// Reads the state between two looks at the phase that see the same. Of
    /// two things that are read one after the other, both may change in
    /// between: what they add up to, `unavailable` while the gate was shut for
    /// instance, need never have been so. A phase never comes back, so this
    /// ends after a few turns at most.
    fn while_it_stands<P: PartialEq>(
        &self,
        look: impl Fn(&PhaseReader) -> P,
    ) -> (Arc<Published>, P) {
        let mut before = look(&self.phase);
        loop {
            let published = self.health.current();
            let after = look(&self.phase);
            if after == before {
                return (published, before);
            }
            before = after;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(statuses: &[(Policy, Status)]) -> Verdict {
        let mut tally = Tally::default();
        for (policy, status) in statuses {
            tally.count(*policy, *status);
        }
        tally.verdict()
    }

    #[test]
    fn the_phase_speaks_first() {
        let all_up = verdict(&[(Policy::Required, Status::Ok)]);
        assert_eq!(all_up.overall(Phase::Starting), Overall::Starting);
        assert_eq!(all_up.overall(Phase::Draining), Overall::Draining);
        assert_eq!(all_up.overall(Phase::Stopped), Overall::Draining);
        assert_eq!(all_up.overall(Phase::Serving), Overall::Ok);
    }

    #[test]
    fn every_policy_and_status_counts_as_the_contract_says() {
        for policy in Policy::ALL {
            for status in Status::ALL {
                let verdict = verdict(&[(policy, status)]);
                let down = status.counts() && !status.is_up();
                assert_eq!(verdict.all_up, !down, "{policy} {status}");
                assert_eq!(
                    verdict.gating_up,
                    !(down && policy.gates()),
                    "{policy} {status}"
                );
                let expected = match (down, policy) {
                    (false, _) => Overall::Ok,
                    (true, Policy::Required) => Overall::Unavailable,
                    (true, _) => Overall::Degraded,
                };
                assert_eq!(
                    verdict.overall(Phase::Serving),
                    expected,
                    "{policy} {status}"
                );
            }
        }
    }

    #[test]
    fn a_balancer_sends_requests_where_the_contract_says_200() {
        for overall in Overall::ALL {
            let ready = matches!(overall, Overall::Ok | Overall::Degraded);
            assert_eq!(overall.is_ready(), ready, "{overall}");
        }
    }

    #[test]
    fn state_and_phase_are_read_together() {
        let empty = |sequence| crate::health::Snapshot {
            sequence,
            dependencies: crate::health::Roll::default(),
            timeline: Arc::default(),
        };
        let (mut writer, health) = crate::health::channel(empty(1), |_| bytes::Bytes::new());
        let (mut phase_writer, phase) = crate::shutdown::phase();
        let readiness = Readiness { health, phase };
        let now = || {
            let (published, phase) = readiness.now();
            let (again, course) = readiness.course();
            assert_eq!(course.phase, phase);
            assert_eq!(again.snapshot, published.snapshot);
            (published.snapshot.sequence, phase)
        };
        assert_eq!(now(), (1, Phase::Starting));
        writer.publish(empty(2));
        assert_eq!(now(), (2, Phase::Starting));
        phase_writer.advance(Phase::Serving);
        assert_eq!(now(), (2, Phase::Serving));
    }
}
