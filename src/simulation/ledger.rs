//! An account of each dependency that is kept beside the core, from what its
//! monitors reported and from the contract's words: whatever the core claims
//! must agree with it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::invariants;
use super::monitors::Monitors;
use crate::config::Checks;
use crate::dependency::Policy;
use crate::health::{StartDeadline, Status};
use crate::supervisor::inside::{Core, Input, Line, Node, NodeId, Output, Report};

/// Checks in a row that may end without meaning anything.
const INCONCLUSIVE: u32 = 3;

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    accounts: BTreeMap<NodeId, Account>,
    handled_at: Instant,
    transitions: u64,
    gate_opens: bool,
}

#[derive(Debug, Clone)]
struct Account {
    status: Status,
    blocked: bool,
    was_up: bool,
    failures: u32,
    passes: u32,
    attempts: u64,
    inconclusive: u32,
    /// Of the start deadline, by the time that was handled last.
    spent: Duration,
    awaited: bool,
    checks: Checks,
}

/// What an input says about a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Nothing,
    Checked { node: NodeId, passed: bool },
    Gap(Duration),
}

impl Ledger {
    pub(super) fn new(core: &Core, now: Instant) -> Self {
        let mut ledger = Self {
            accounts: BTreeMap::new(),
            handled_at: now,
            transitions: 0,
            gate_opens: invariants::all_up(core, Policy::gates),
        };
        ledger.open_accounts(core);
        ledger
    }

    fn open_accounts(&mut self, core: &Core) {
        self.accounts.retain(|id, _| core.nodes.contains_key(id));
        for (id, node) in &core.nodes {
            self.accounts.entry(*id).or_insert_with(|| Account {
                status: node.status(),
                blocked: node.is_blocked(),
                was_up: false,
                failures: 0,
                passes: 0,
                attempts: 0,
                inconclusive: 0,
                spent: Duration::ZERO,
                awaited: false,
                checks: node.config.checks.clone(),
            });
        }
    }

    /// What an input means; asked before the core handles it.
    pub(super) fn read(&mut self, input: &Input, monitors: &Monitors) -> Told {
        match input {
            Input::ClockGap(gap) => Told::Gap(*gap),
            Input::Report {
                node,
                generation,
                report: Report::Checked(checked),
            } => {
                // A monitor that was replaced is not listened to.
                let heard = monitors
                    .get(node)
                    .is_some_and(|monitor| monitor.generation == *generation);
                let Some(account) = self.accounts.get_mut(node).filter(|_| heard) else {
                    return Told::Nothing;
                };
                if checked.overslept && account.inconclusive < INCONCLUSIVE {
                    account.inconclusive += 1;
                    return Told::Nothing;
                }
                account.inconclusive = 0;
                Told::Checked {
                    node: *node,
                    passed: checked.result.is_ok(),
                }
            }
            _ => Told::Nothing,
        }
    }

    /// Compares with what the core made of it.
    pub(super) fn compare(
        &mut self,
        core: &Core,
        told: Told,
        outputs: &[Output],
        now: Instant,
    ) -> Result<(), String> {
        let gap = match told {
            Told::Gap(gap) => gap,
            _ => Duration::ZERO,
        };
        let passed = (now - self.handled_at).saturating_sub(gap);
        self.handled_at = now;
        for account in self.accounts.values_mut().filter(|account| account.awaited) {
            account.spent += passed;
        }
        self.open_accounts(core);
        for (id, node) in &core.nodes {
            let Some(account) = self.accounts.get_mut(id) else {
                continue;
            };
            let broke = outputs.iter().any(|output| {
                matches!(output, Output::Tell(Line::ProbeRestarted { dependency, .. })
                    if node.live && dependency == node.name())
            });
            account
                .follow(*id, node, told, broke, self.gate_opens)
                .and_then(|()| account.compare_clock(node, now))
                .map_err(|wrong| format!("{}: {wrong}", node.name()))?;
        }
        let counted = outputs
            .iter()
            .filter(|output| matches!(output, Output::Count(..)));
        self.transitions += counted.count() as u64;
        Ok(())
    }

    /// Everything that gates was up in a snapshot.
    pub(super) fn gate_opens(&mut self) {
        self.gate_opens = true;
    }

    /// How many transitions were counted.
    pub(super) fn transitions(&self) -> u64 {
        self.transitions
    }

    /// How much of its start deadline a dependency has spent.
    pub(super) fn spent(&self, name: &str, core: &Core) -> Option<(Duration, Option<Duration>)> {
        let mut live = core.live.iter();
        let id = live.find(|id| core.nodes[id].name().as_str() == name)?;
        let deadline = core.nodes[id].config.checks.startup_deadline;
        Some((self.accounts.get(id)?.spent, deadline))
    }
}

impl Account {
    fn follow(
        &mut self,
        id: NodeId,
        node: &Node,
        told: Told,
        broke: bool,
        gate_opens: bool,
    ) -> Result<(), String> {
        match told {
            Told::Checked { node, passed } if node == id => self.check(passed),
            _ => {}
        }
        if broke && !self.blocked {
            self.check(false);
        }
        let (status, machine) = (node.status(), &node.machine);
        self.blocked = node.is_blocked();
        if status == Status::Blocked && (self.blocked || self.status == Status::Blocked) {
            (self.failures, self.passes) = (0, 0);
            if broke {
                // It may have broken before it was blocked, or after.
                self.attempts = machine.attempts();
            }
        } else if status != self.status {
            return Err(format!("is {status}, and should be {}", self.status));
        }
        self.status = status;
        self.checks = node.config.checks.clone();
        let claims = (
            machine.failures(),
            machine.attempts(),
            machine.initialized(),
        );
        let facts = (self.failures, self.attempts, self.was_up);
        if claims != facts {
            return Err(format!(
                "claims (failures, attempts, initialized) {claims:?}, and it is {facts:?}"
            ));
        }
        let view = &node.view;
        let shown = (view.status, view.failures, view.attempts, &view.blocked_by);
        let known = (
            status,
            self.failures,
            self.attempts,
            &machine.blocked_by().cloned(),
        );
        if shown != known {
            return Err(format!("shows {shown:?}, and it is {known:?}"));
        }
        if status.is_up() && view.since != machine.since() {
            return Err("shows another beginning than it has".to_owned());
        }
        self.awaited = node.live
            && !gate_opens
            && node.config.policy.gates()
            && status.counts()
            && !status.is_up()
            && !self.blocked;
        Ok(())
    }

    /// The contract's rules of rise and fall.
    fn check(&mut self, passed: bool) {
        self.attempts += 1;
        if passed {
            self.failures = 0;
            self.passes += 1;
            let coming_back = self.status == Status::Error && self.was_up;
            if !coming_back || self.passes >= self.checks.rise {
                self.status = Status::Ok;
                self.was_up = true;
            }
            return;
        }
        self.passes = 0;
        self.failures += 1;
        self.status = match self.status {
            _ if self.failures >= self.checks.fall => Status::Error,
            Status::Blocked if self.was_up => Status::Error,
            Status::Ok => Status::Failing,
            Status::Blocked => Status::Starting,
            other => other,
        };
    }

    /// What is left of the start deadline is what was not spent.
    fn compare_clock(&self, node: &Node, now: Instant) -> Result<(), String> {
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
