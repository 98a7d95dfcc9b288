//! An account of each dependency that is kept beside the core, from what its
//! monitors reported and from the contract's words: whatever the core claims
//! must agree with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::invariants::{self, is_down};
use crate::dependency::{Name, Policy};
use crate::health::machine::TransitionKind;
use crate::supervisor::Fatal;
use crate::supervisor::inside::{Core, Input, Line, NodeId, Output, Report};

mod account;

use account::{Account, Steps};

/// Checks in a row that may end without meaning anything.
const INCONCLUSIVE: u32 = 3;

#[derive(Debug, Clone)]
pub(super) struct Ledger {
    accounts: BTreeMap<NodeId, Account>,
    handled_at: Instant,
    transitions: u64,
    gate_opens: bool,
    required_up: bool,
}

/// What an input says about a node.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Nothing,
    Checked {
        node: NodeId,
        passed: bool,
    },
    /// Its monitor is no more.
    Ended(NodeId),
    Gap(Duration),
}

impl Ledger {
    pub(super) fn new(core: &Core, now: Instant) -> Self {
        let mut ledger = Self {
            accounts: BTreeMap::new(),
            handled_at: now,
            transitions: 0,
            gate_opens: invariants::all_up(core, Policy::gates),
            required_up: invariants::required_up(core),
        };
        ledger.open_accounts(core);
        ledger
    }

    fn open_accounts(&mut self, core: &Core) {
        for (id, node) in &core.nodes {
            let new = || Account::open(node);
            self.accounts.entry(*id).or_insert_with(new);
        }
    }

    /// What an input means; asked before the core handles it. `generation`
    /// knows which monitor of a node runs: one that was replaced is not
    /// listened to.
    pub(super) fn read(
        &mut self,
        input: &Input,
        generation: impl Fn(NodeId) -> Option<u32>,
    ) -> Told {
        match input {
            Input::ClockGap(gap) => Told::Gap(*gap),
            Input::Report {
                node,
                generation: sender,
                report: Report::Checked(checked),
            } if generation(*node) == Some(*sender) => {
                let Some(account) = self.accounts.get_mut(node) else {
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
            Input::MonitorEnded {
                node,
                generation: sender,
                ..
            } if generation(*node) == Some(*sender) => Told::Ended(*node),
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
        let broken = self.restarts(told, outputs, now)?;
        self.losses(core, told, &broken)?;
        self.open_accounts(core);
        let mut steps = Steps::default();
        for (id, account) in &mut self.accounts {
            let told = match told {
                Told::Checked { node, passed } if node == *id => Some(passed),
                _ => None,
            };
            let broke = broken.contains(id);
            let Some(node) = core.nodes.get(id) else {
                account.close(told, broke, &mut steps);
                continue;
            };
            account
                .follow(node, told, broke, self.gate_opens, &mut steps)
                .and_then(|()| account.compare_clock(node, now))
                .map_err(|wrong| format!("{}: {wrong}", node.name()))?;
        }
        self.accounts.retain(|id, _| core.nodes.contains_key(id));
        let counted = outputs.iter().filter_map(|output| match output {
            Output::Count(name, kind) => Some((name.clone(), *kind)),
            _ => None,
        });
        let counted: Vec<(Name, TransitionKind)> = counted.collect();
        self.transitions += counted.len() as u64;
        steps.compare(counted)
    }

    /// Whose monitor was replaced. One that ended is replaced unless the
    /// process gives up over it, and each replacement counts.
    fn restarts(
        &mut self,
        told: Told,
        outputs: &[Output],
        now: Instant,
    ) -> Result<BTreeSet<NodeId>, String> {
        let mut broken = BTreeSet::new();
        for output in outputs {
            let Output::Tell(Line::ProbeRestarted {
                dependency,
                restarts,
                ..
            }) = output
            else {
                continue;
            };
            let Some((id, account)) = self.live_account(dependency) else {
                return Err(format!("{dependency}: is replaced, and not live"));
            };
            account.broke_at.push(now);
            let seen = account.restarts(now);
            if *restarts != seen || !broken.insert(id) {
                return Err(format!(
                    "{dependency}: claims {restarts} restarts, and it is {seen}"
                ));
            }
        }
        let gives_up = outputs
            .iter()
            .any(|output| matches!(output, Output::Fatal(Fatal::MonitorKeepsBreaking { .. })));
        match told {
            Told::Ended(id) if self.accounts.get(&id).is_some_and(|a| a.live) => {
                if broken.contains(&id) || gives_up {
                    Ok(broken)
                } else {
                    Err(format!("{id:?}: its monitor ended, and is not replaced"))
                }
            }
            _ => Ok(broken),
        }
    }

    /// Of what was live before.
    fn live_account(&mut self, name: &Name) -> Option<(NodeId, &mut Account)> {
        let mut accounts = self.accounts.iter_mut();
        let found = accounts.find(|(_, account)| account.live && account.name == *name);
        found.map(|(id, account)| (*id, account))
    }

    /// Nothing goes down for any other reason than that it failed a check, or
    /// its monitor broke, or something it needs goes down: above all not for a
    /// reload, neither at its beginning, nor while it runs, nor at its end.
    fn losses(&mut self, core: &Core, told: Told, broken: &BTreeSet<NodeId>) -> Result<(), String> {
        let was_up = |id: &NodeId| self.accounts.get(id).is_some_and(|a| !is_down(a.status));
        let is_up = |id: &NodeId| core.nodes.get(id).is_some_and(|n| !is_down(n.status()));
        let falls = |id: &NodeId| was_up(id) && !is_up(id);
        for (id, node) in core.nodes.iter().filter(|(id, _)| falls(id)) {
            let failed = matches!(told, Told::Checked { node, passed: false } if node == *id);
            let mut needs = self.accounts[id].needs.iter().chain(&node.needs);
            if !failed && !broken.contains(id) && !needs.any(falls) {
                return Err(format!("{} goes down without a loss", node.name()));
            }
        }
        let was_required = |id: &NodeId| self.accounts.get(id).is_some_and(|a| a.required);
        let mut live = core.live.iter();
        let lost = live.any(|id| was_required(id) && falls(id));
        let was_up = std::mem::replace(&mut self.required_up, invariants::required_up(core));
        if was_up && !self.required_up && !lost {
            return Err("readiness dips without a loss".to_owned());
        }
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

    /// How often its monitor was replaced lately.
    pub(super) fn restarted(&self, name: &Name) -> usize {
        let mut accounts = self.accounts.values();
        let account = accounts.find(|account| account.live && account.name == *name);
        account.map_or(0, |account| account.restarts(self.handled_at))
    }
}
