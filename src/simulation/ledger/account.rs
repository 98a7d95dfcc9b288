//! The account of one dependency, and the rules that it is kept by.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Checks;
use crate::dependency::{Name, Policy};
use crate::health::machine::TransitionKind;
use crate::health::{StartDeadline, Status};
use crate::supervisor::inside::{Node, NodeId};

/// A restart is remembered for this long.
const WINDOW: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: Name,
    /// It was live when it was looked at last, and required.
    pub(super) live: bool,
    pub(super) required: bool,
    pub(super) needs: Vec<NodeId>,
    pub(super) status: Status,
    blocked: bool,
    was_up: bool,
    failures: u32,
    passes: u32,
    attempts: u64,
    pub(super) inconclusive: u32,
    pub(super) broke_at: Vec<Instant>,
    /// Its last transition, while it is not live.
    uncounted: Option<TransitionKind>,
    /// Of the start deadline, by the time that was handled last.
    pub(super) spent: Duration,
    pub(super) awaited: bool,
    checks: Checks,
}

/// The transitions that one input led to.
#[derive(Debug, Default)]
pub(super) struct Steps {
    sure: Vec<(Name, TransitionKind)>,
    /// Of what happens in one instant, the order decides about these.
    possible: Vec<(Name, TransitionKind)>,
}

impl Steps {
    /// All that happened are counted, and no others.
    pub(super) fn compare(self, mut counted: Vec<(Name, TransitionKind)>) -> Result<(), String> {
        let mut find = |step: &(Name, TransitionKind)| {
            let place = counted.iter().position(|other| other == step);
            place.map(|place| counted.swap_remove(place))
        };
        for step in &self.sure {
            if find(step).is_none() {
                return Err(format!("{}: {:?} is not counted", step.0, step.1));
            }
        }
        for step in &self.possible {
            find(step);
        }
        match counted.first() {
            Some((name, kind)) => Err(format!("{name}: {kind:?} is counted, and did not happen")),
            None => Ok(()),
        }
    }
}

impl Account {
    pub(super) fn open(node: &Node) -> Self {
        let status = node.status();
        Self {
            name: node.name().clone(),
            live: false,
            required: false,
            needs: node.needs.clone(),
            status,
            blocked: node.is_blocked(),
            was_up: false,
            failures: 0,
            passes: 0,
            attempts: 0,
            inconclusive: 0,
            broke_at: Vec::new(),
            uncounted: (status == Status::Blocked).then_some(TransitionKind::Blocked),
            spent: Duration::ZERO,
            awaited: false,
            checks: node.config.checks.clone(),
        }
    }

    /// How many restarts are remembered.
    pub(super) fn restarts(&self, now: Instant) -> usize {
        let recent = |at: &&Instant| now - **at <= WINDOW;
        self.broke_at.iter().filter(recent).count()
    }

    /// Follows a node through what was told of it, and compares.
    pub(super) fn follow(
        &mut self,
        node: &Node,
        told: Option<bool>,
        broke: bool,
        gate_opens: bool,
        steps: &mut Steps,
    ) -> Result<(), String> {
        let (status, machine) = (node.status(), &node.machine);
        let is_blocked = status == Status::Blocked;
        let was_blocked = self.status == Status::Blocked;
        let mut sure: Vec<TransitionKind> = Vec::new();
        let mut possible: Vec<TransitionKind> = Vec::new();
        sure.extend(told.and_then(|passed| self.check(passed)));
        if broke && !self.blocked {
            // It may have broken before it was blocked, or after.
            let broken = self.check(false);
            if is_blocked {
                possible.extend(broken);
            } else {
                sure.extend(broken);
            }
        }
        self.blocked = node.is_blocked();
        if is_blocked && (self.blocked || self.status == Status::Blocked) {
            if broke && was_blocked {
                possible.push(TransitionKind::Blocked);
            } else if self.status != Status::Blocked {
                sure.push(TransitionKind::Blocked);
            }
            (self.failures, self.passes) = (0, 0);
            if broke {
                self.attempts = machine.attempts();
            }
        } else if status != self.status {
            return Err(format!("is {status}, and should be {}", self.status));
        }
        self.status = status;
        self.checks = node.config.checks.clone();
        self.note(node, sure, possible, steps);
        self.compare(node)?;
        self.awaited = node.live
            && !gate_opens
            && node.config.policy.gates()
            && status.counts()
            && !status.is_up()
            && !self.blocked;
        Ok(())
    }

    /// Transitions of what is live are counted, each. What was not live yet
    /// brings its last one along.
    fn note(
        &mut self,
        node: &Node,
        sure: Vec<TransitionKind>,
        possible: Vec<TransitionKind>,
        steps: &mut Steps,
    ) {
        let named = |kind| (self.name.clone(), kind);
        if self.live {
            steps.sure.extend(sure.into_iter().map(named));
            steps.possible.extend(possible.into_iter().map(named));
        } else {
            let last = sure.last().copied().or(self.uncounted);
            if node.live {
                steps.sure.extend(last.map(named));
            }
            self.uncounted = last.filter(|_| !node.live);
        }
        self.live = node.live;
        self.required = node.live && node.config.policy == Policy::Required;
        self.needs.clone_from(&node.needs);
    }

    /// What a node did before a reload took it away.
    pub(super) fn close(&mut self, told: Option<bool>, broke: bool, steps: &mut Steps) {
        if self.live {
            let told = told.and_then(|passed| self.check(passed));
            let broke = broke.then(|| self.check(false)).flatten();
            let possible = broke.into_iter().chain([TransitionKind::Blocked]);
            let named = |kind| (self.name.clone(), kind);
            steps.sure.extend(told.map(named));
            steps.possible.extend(possible.map(named));
        }
    }

    /// What the node claims and what it shows is what is known here.
    fn compare(&self, node: &Node) -> Result<(), String> {
        let machine = &node.machine;
        let claims = (
            machine.failures(),
            machine.passes(),
            machine.attempts(),
            machine.initialized(),
        );
        let facts = (self.failures, self.passes, self.attempts, self.was_up);
        if claims != facts {
            return Err(format!(
                "claims (failures, passes, attempts, initialized) {claims:?}, and it is {facts:?}"
            ));
        }
        let view = &node.view;
        let shown = (view.status, view.failures, view.attempts, &view.blocked_by);
        let known = (
            self.status,
            self.failures,
            self.attempts,
            &machine.blocked_by().cloned(),
        );
        if shown != known {
            return Err(format!("shows {shown:?}, and it is {known:?}"));
        }
        if self.status.is_up() && view.since != machine.since() {
            return Err("shows another beginning than it has".to_owned());
        }
        Ok(())
    }

    /// The contract's rules of rise and fall; answers with the transition, if
    /// it is one.
    fn check(&mut self, passed: bool) -> Option<TransitionKind> {
        let before = self.status;
        self.attempts += 1;
        if passed {
            self.failures = 0;
            self.passes += 1;
            let coming_back = before == Status::Error && self.was_up;
            if coming_back && self.passes < self.checks.rise {
                return None;
            }
            self.status = Status::Ok;
            let again = std::mem::replace(&mut self.was_up, true);
            let kind = if again {
                TransitionKind::Recovered
            } else {
                TransitionKind::Ready
            };
            return (before != Status::Ok).then_some(kind);
        }
        self.passes = 0;
        self.failures += 1;
        self.status = match before {
            _ if self.failures >= self.checks.fall => Status::Error,
            Status::Blocked if self.was_up => Status::Error,
            Status::Ok => Status::Failing,
            Status::Blocked => Status::Starting,
            other => other,
        };
        match self.status {
            Status::Error => (before != Status::Error).then_some(TransitionKind::Down),
            _ => (self.failures == 1).then_some(TransitionKind::Failing),
        }
    }

    /// What is left of the start deadline is what was not spent.
    pub(super) fn compare_clock(&self, node: &Node, now: Instant) -> Result<(), String> {
        let gates = node.live && node.config.policy.gates() && node.status().counts();
        let Some(deadline) = node.config.checks.startup_deadline.filter(|_| gates) else {
            return Ok(());
        };
        let shown = match node.view.start_deadline {
            // It ran out, or a reload brought a deadline that starts no clock.
            StartDeadline::Never => return Ok(()),
            other => other.left(now),
        };
        let left = deadline.saturating_sub(self.spent);
        if self.awaited && shown != Some(left) {
            return Err(format!(
                "shows {shown:?} of its start deadline, and {left:?} is left"
            ));
        }
        if self.awaited && left.is_zero() {
            return Err("is past its start deadline".to_owned());
        }
        Ok(())
    }
}
