//! The state machine of one dependency: pure, with one table of legal steps.

use std::sync::Arc;

use jiff::Timestamp;

use super::Status;
use super::history::Latencies;
use crate::dependency::{Failure, Name, Passed};

/// Every step that exists. [`Machine::enter`] is the only writer of a status
/// and refuses whatever does not stand here.
const LEGAL: &[(Status, Status)] = &[
    (Status::Starting, Status::Starting),
    (Status::Starting, Status::Ok),
    (Status::Starting, Status::Error),
    (Status::Starting, Status::Blocked),
    (Status::Blocked, Status::Starting),
    (Status::Blocked, Status::Ok),
    (Status::Blocked, Status::Error),
    (Status::Ok, Status::Failing),
    (Status::Ok, Status::Error),
    (Status::Ok, Status::Blocked),
    (Status::Failing, Status::Ok),
    (Status::Failing, Status::Error),
    (Status::Failing, Status::Blocked),
    (Status::Error, Status::Ok),
    (Status::Error, Status::Blocked),
];

/// How many answers in a row change the status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Passes that make a dependency which went down `ok` again.
    pub rise: u32,
    /// Failures that make it `error`.
    pub fall: u32,
}

/// What happened to a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Passed(Passed),
    Failed(Failure),
    /// Something it needs is not up.
    NeedLost(Name),
    /// Everything it needs is up.
    NeedsMet,
}

/// A step that people are told about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub kind: TransitionKind,
    pub previous: Status,
    pub status: Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransitionKind {
    /// Up for the first time.
    Ready,
    /// The first failure in a row.
    Failing,
    Down,
    /// Up again.
    Recovered,
    Blocked,
}

impl TransitionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failing => "failing",
            Self::Down => "down",
            Self::Recovered => "recovered",
            Self::Blocked => "blocked",
        }
    }
}

/// What is known of one dependency. Everyone may read it; only
/// [`Machine::step`] writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    status: Status,
    since: Timestamp,
    blocked_by: Option<Name>,
    initialized: bool,
    passed: Option<Passed>,
    latencies: Arc<Latencies>,
    failure: Option<Failure>,
    failures: u32,
    passes: u32,
    attempts: u64,
    last_checked: Option<Timestamp>,
}

impl Machine {
    /// A dependency of which nothing is known: never up.
    pub fn new(now: Timestamp) -> Self {
        Self::in_status(Status::Starting, now)
    }

    /// A dependency that is not watched at all.
    pub fn inert(status: Status, now: Timestamp) -> Self {
        debug_assert!(!status.counts(), "{status} is watched");
        Self::in_status(status, now)
    }

    fn in_status(status: Status, now: Timestamp) -> Self {
        Self {
            status,
            since: now,
            blocked_by: None,
            initialized: false,
            passed: None,
            latencies: Arc::default(),
            failure: None,
            failures: 0,
            passes: 0,
            attempts: 0,
            last_checked: None,
        }
    }

    pub fn status(&self) -> Status {
        self.status
    }

    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The need that holds it back, while one does.
    pub fn blocked_by(&self) -> Option<&Name> {
        self.blocked_by.as_ref()
    }

    /// Whether it has ever been up.
    pub fn initialized(&self) -> bool {
        self.initialized
    }

    /// The last check that passed.
    pub fn passed(&self) -> Option<&Passed> {
        self.passed.as_ref()
    }

    /// Of the last checks.
    pub fn latencies(&self) -> &Arc<Latencies> {
        &self.latencies
    }

    /// The last failure, until the dependency is `ok` again.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Passes in a row.
    pub fn passes(&self) -> u32 {
        self.passes
    }

    /// Checks so far.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    pub fn last_checked(&self) -> Option<Timestamp> {
        self.last_checked
    }

    /// Takes in what happened; answers with the transition to tell of, if any.
    pub fn step(&mut self, event: Event, limits: Thresholds, now: Timestamp) -> Option<Transition> {
        if !self.status.counts() {
            return None;
        }
        match event {
            Event::Passed(passed) => self.pass(passed, limits, now),
            Event::Failed(failure) => self.fail(failure, limits, now),
            Event::NeedLost(need) => self.block(need, now),
            Event::NeedsMet => {
                // It stays blocked until a check has answered: unknown is
                // never up, and it is not known to be down either.
                self.blocked_by = None;
                None
            }
        }
    }

    fn pass(&mut self, passed: Passed, limits: Thresholds, now: Timestamp) -> Option<Transition> {
        self.attempts += 1;
        self.last_checked = Some(now);
        Arc::make_mut(&mut self.latencies).passed(passed.latency);
        self.passed = Some(passed);
        self.failures = 0;
        self.passes = self.passes.saturating_add(1);
        let enough = match self.status {
            Status::Error if self.initialized => self.passes >= limits.rise,
            _ => true,
        };
        if self.status == Status::Ok || !enough {
            return None;
        }
        self.failure = None;
        self.enter(Status::Ok, now)
    }

    fn fail(&mut self, failure: Failure, limits: Thresholds, now: Timestamp) -> Option<Transition> {
        self.attempts += 1;
        self.last_checked = Some(now);
        Arc::make_mut(&mut self.latencies).failed();
        self.failure = Some(failure);
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        let fallen = self.failures >= limits.fall;
        match self.status {
            Status::Error => None,
            // What was blocked counted as down: there is no up to fall from.
            Status::Blocked if self.initialized => self.enter(Status::Error, now),
            _ if fallen => self.enter(Status::Error, now),
            Status::Ok => self.enter(Status::Failing, now),
            Status::Starting | Status::Blocked if self.failures == 1 => {
                self.enter(Status::Starting, now)
            }
            _ => None,
        }
    }

    fn block(&mut self, need: Name, now: Timestamp) -> Option<Transition> {
        self.blocked_by = Some(need);
        if self.status == Status::Blocked {
            return None;
        }
        self.failure = None;
        self.failures = 0;
        self.passes = 0;
        self.enter(Status::Blocked, now)
    }

    /// The only writer of the status.
    fn enter(&mut self, status: Status, now: Timestamp) -> Option<Transition> {
        let previous = self.status;
        if !LEGAL.contains(&(previous, status)) {
            debug_assert!(false, "{previous} -> {status} is no legal step");
            return None;
        }
        let kind = match status {
            Status::Ok if self.initialized => TransitionKind::Recovered,
            Status::Ok => TransitionKind::Ready,
            Status::Error => TransitionKind::Down,
            Status::Blocked => TransitionKind::Blocked,
            _ => TransitionKind::Failing,
        };
        if status != previous {
            self.status = status;
            self.since = now;
        }
        if status != Status::Blocked {
            self.blocked_by = None;
        }
        self.initialized |= status == Status::Ok;
        Some(Transition {
            kind,
            previous,
            status,
        })
    }
}

#[cfg(test)]
mod tests;
