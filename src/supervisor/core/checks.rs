//! Checks: when one is ordered, and what its end means.

use std::time::Duration;

use super::{Core, Now};
use crate::dependency::{ErrorKind, Failure, Name};
use crate::health::Status;
use crate::health::machine::Event;
use crate::supervisor::decision::{Line, Output, Urgency};
use crate::supervisor::fatal::Fatal;
use crate::supervisor::monitor::{Checked, Order, Report};
use crate::supervisor::node::{NodeId, Work};

/// How much later than its deadlines a monitor may report before it counts as
/// stuck. A busy machine delays tasks; a stuck one never reports.
const STUCK_GRACE: Duration = Duration::from_secs(2);
/// Checks in a row that may end without meaning anything.
const INCONCLUSIVE_LIMIT: u32 = 3;

impl Core {
    pub(super) fn is_current(&self, id: NodeId, generation: u32) -> bool {
        self.nodes
            .get(&id)
            .is_some_and(|node| node.generation == generation)
    }

    pub(super) fn report(&mut self, id: NodeId, generation: u32, report: Report, now: Now) {
        if !self.is_current(id, generation) {
            return;
        }
        match report {
            Report::Checked(checked) => self.checked(id, checked, now),
            Report::SessionLost => {
                let Some(node) = self.nodes.get_mut(&id) else {
                    return;
                };
                // A close is no verdict; it is a reason to look now.
                if let Work::Idle { next: Some(next) } = node.work {
                    let delay = node.pace.after_loss(&node.config.checks, now.instant);
                    let next = next.min(now.instant + delay);
                    node.work = Work::Idle { next: Some(next) };
                    self.touch(id, now);
                }
            }
        }
    }

    fn checked(&mut self, id: NodeId, checked: Checked, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if !matches!(node.work, Work::Checking { .. }) {
            return;
        }
        node.checked_at = Some(now.instant);
        if checked.connected {
            node.pace.connected(now.instant);
        }
        if checked.overslept && node.inconclusive < INCONCLUSIVE_LIMIT {
            node.inconclusive += 1;
            node.work = Work::Idle {
                next: Some(now.instant),
            };
            self.touch(id, now);
            return;
        }
        node.inconclusive = 0;
        let failure = checked.result.as_ref().err().map(|failure| failure.kind);
        let event = match checked.result {
            Ok(passed) => Event::Passed(passed),
            Err(failure) => Event::Failed(failure),
        };
        self.apply(id, event, now);
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let (status, checks) = (node.status(), &node.config.checks);
        let delay = node
            .pace
            .after_check(status, failure, checks, &mut self.rng);
        // Who asked for a look meanwhile was not given one: this check may
        // have begun before what is asked about happened.
        let delay = match status {
            Status::Error => delay,
            _ if node.fresh_wanted => delay.min(checks.fast_interval),
            _ => delay,
        };
        node.work = Work::Idle {
            next: Some(now.instant + delay),
        };
        self.touch(id, now);
    }

    /// A monitor panicked or went silent: it is replaced, and what it watched
    /// is unknown meanwhile, which counts as one failure.
    pub(super) fn monitor_broke(&mut self, id: NodeId, reason: String, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if matches!(node.work, Work::Broken { .. } | Work::Never) {
            return;
        }
        let dependency = node.name().clone();
        if !node.live {
            self.abandon_reload(format!("{dependency}: {reason}"));
            return;
        }
        let Some(delay) = node.restarts.note(now.instant) else {
            self.outputs
                .push(Output::Fatal(Fatal::MonitorKeepsBreaking {
                    dependency,
                    restarts: node.restarts.recent() - 1,
                    reason,
                }));
            return;
        };
        node.work = Work::Broken {
            respawn_at: now.instant + delay,
        };
        node.generation += 1;
        let line = Line::ProbeRestarted {
            dependency,
            restarts: node.restarts.recent(),
            delay,
            reason: reason.clone(),
        };
        let blocked = node.is_blocked();
        self.outputs.push(Output::Retire(id));
        self.outputs.push(Output::Tell(line));
        if !blocked {
            let failure = Failure::new(ErrorKind::Timeout, format!("no answer: {reason}"));
            self.apply(id, Event::Failed(failure), now);
        }
        self.touch(id, now);
    }

    pub(super) fn look(&mut self, name: Option<&Name>, urgency: Urgency, now: Now) {
        let asked = match name {
            Some(name) => self.live_node(name).into_iter().collect(),
            None => self.live.clone(),
        };
        for id in asked {
            let Some(node) = self.nodes.get_mut(&id) else {
                continue;
            };
            let Work::Idle { next: Some(next) } = node.work else {
                // A check runs already, or none may run. It may have begun
                // over the old session before what is asked about happened.
                node.fresh_wanted = true;
                continue;
            };
            let soonest = match urgency {
                Urgency::Operator => now.instant,
                Urgency::Hint if node.status() == Status::Error => continue,
                // However many requests fail, one look each fast interval.
                Urgency::Hint => node
                    .checked_at
                    .map_or(now.instant, |at| at + node.config.checks.fast_interval)
                    .max(now.instant),
            };
            node.work = Work::Idle {
                next: Some(next.min(soonest)),
            };
            node.fresh_wanted = true;
            self.touch(id, now);
        }
    }

    pub(super) fn order_check(&mut self, id: NodeId, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let checks = &node.config.checks;
        let order = Order {
            connect_timeout: checks.connect_timeout,
            timeout: checks.timeout,
            fresh: std::mem::take(&mut node.fresh_wanted),
            pause: checks.interval,
        };
        node.work = Work::Checking {
            overdue_at: now.instant + order.longest() + STUCK_GRACE,
        };
        self.outputs.push(Output::Check { node: id, order });
    }
}
