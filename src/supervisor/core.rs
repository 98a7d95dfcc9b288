//! The decisions of the supervisor: pure, so that a simulation can drive them
//! through millions of events.
//!
//! [`Core::handle`] takes what happened and when, and answers with what is to
//! be done about it. It does no I/O and reads no clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use super::agenda::Agenda;
use super::clock::StartClock;
use super::decision::{Input, Line, Output};
use super::fatal::Fatal;
use super::narrator::Tale;
use super::node::{Node, NodeId, Work};
use super::reload::Staged;
use crate::backoff::jittered;
use crate::config::Dependency;
use crate::dependency::Name;
use crate::graph::Graph;
use crate::health::history::Timeline;
use crate::health::machine::{Event, Transition};
use crate::health::{DependencyHealth, Roll, Snapshot};

/// The instant of an event, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

/// How much later than the first of many that begin together one gets its first
/// check: the first hundred at once, and each further one a little later, so
/// that thousands do not begin in the same millisecond.
pub(super) fn lateness(place: u32) -> Duration {
    const AT_ONCE: u32 = 100;
    const SPREAD: Duration = Duration::from_millis(1);
    SPREAD * place.saturating_sub(AT_ONCE - 1)
}

mod checks;

#[derive(Debug, Clone)]
pub(crate) struct Core {
    /// Boxed: a tree keeps room for more than it has.
    pub(crate) nodes: BTreeMap<NodeId, Box<Node>>,
    /// The live ones, in start order.
    pub(crate) live: Vec<NodeId>,
    dependents: HashMap<NodeId, Vec<NodeId>>,
    agenda: Agenda,
    pub(crate) staged: Option<Staged>,
    /// Everything that gates was up in a snapshot: start deadlines are over.
    gate_opens: bool,
    next_id: u32,
    sequence: u64,
    /// What readers see of the live ones, in the same order.
    pub(super) roll: Roll,
    /// Readers have not seen it yet.
    changed: bool,
    timeline: Arc<Timeline>,
    rng: SmallRng,
    pub(super) outputs: Vec<Output>,
}

impl Core {
    pub(crate) fn new(dependencies: Vec<Dependency>, graph: &Graph, seed: u64, now: Now) -> Self {
        let mut core = Self {
            nodes: BTreeMap::new(),
            live: Vec::new(),
            dependents: HashMap::new(),
            agenda: Agenda::default(),
            staged: None,
            gate_opens: false,
            next_id: 0,
            sequence: 0,
            roll: Roll::default(),
            changed: true,
            timeline: Arc::default(),
            rng: SmallRng::seed_from_u64(seed),
            outputs: Vec::new(),
        };
        let ids: Vec<NodeId> = dependencies
            .into_iter()
            .map(|dependency| core.add(dependency, true, now))
            .collect();
        core.link(&ids, graph);
        core.live = graph
            .start_order()
            .iter()
            .map(|&position| ids[position])
            .collect();
        for (id, place) in core.live.clone().into_iter().zip(0..) {
            core.begin(id, now.instant + lateness(place), now);
        }
        core.call_roll();
        core
    }

    /// Takes in what happened and answers with what is to be done.
    pub(crate) fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        match input {
            Input::Wake => {}
            Input::Report {
                node,
                generation,
                report,
            } => self.report(node, generation, report, now),
            Input::MonitorEnded {
                node,
                generation,
                reason,
            } => {
                if self.is_current(node, generation) {
                    self.monitor_broke(node, reason, now);
                }
            }
            Input::Look { name, urgency } => self.look(name.as_ref(), urgency, now),
            Input::Reload {
                dependencies,
                graph,
            } => self.stage(dependencies, graph, now),
            Input::ClockGap(gap) => {
                for id in self.nodes.keys().copied().collect::<Vec<_>>() {
                    if let Some(node) = self.nodes.get_mut(&id) {
                        node.skip(gap);
                    }
                    self.touch(id, now);
                }
                self.call_roll();
                if let Some(staged) = &mut self.staged {
                    staged.since += gap;
                }
            }
        }
        self.keep_appointments(now);
        self.settle_reload(now);
        std::mem::take(&mut self.outputs)
    }

    /// When [`Input::Wake`] is due.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let agenda = self.agenda.first().map(|(at, _)| at);
        [agenda, self.staged_expires_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The state for readers, if it changed since the last call.
    pub(crate) fn snapshot(&mut self) -> Option<Snapshot> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        self.sequence += 1;
        // Whoever opens the gate may look late; that must not cost a start
        // which has succeeded.
        self.gate_opens |= self.roll.tally().verdict().gating_up;
        Some(Snapshot {
            sequence: self.sequence,
            dependencies: self.roll.clone(),
            timeline: self.timeline.clone(),
        })
    }

    /// The nodes to stop, one after the other: reverse start order. Candidates
    /// come first, because none of the others needs one.
    pub(crate) fn stop_order(&self) -> Vec<(NodeId, Name)> {
        let staged = self.staged.iter().flat_map(Staged::start_order).rev();
        let candidates = staged.filter(|id| !self.nodes[id].live);
        let live = self.live.iter().copied().rev();
        let watched = candidates.chain(live).map(|id| (id, &self.nodes[&id]));
        watched
            .filter(|(_, node)| node.work != Work::Never)
            .map(|(id, node)| (id, node.name().clone()))
            .collect()
    }

    /// The live node of that name.
    pub(super) fn live_node(&self, name: &Name) -> Option<NodeId> {
        self.live.get(self.roll.place(name)?).copied()
    }

    /// The name of a node that readiness counts.
    pub(crate) fn live_name(&self, id: NodeId) -> Option<&Name> {
        self.nodes
            .get(&id)
            .filter(|node| node.live)
            .map(|node| node.name())
    }

    pub(super) fn add(&mut self, config: Dependency, live: bool, now: Now) -> NodeId {
        let id = NodeId(self.next_id);
        self.next_id += 1;
        let node = Node::new(config, live, now.wall);
        self.nodes.insert(id, Box::new(node));
        id
    }

    pub(super) fn remove(&mut self, id: NodeId) {
        self.agenda.set(id, None);
        if self
            .nodes
            .remove(&id)
            .is_some_and(|node| node.work != Work::Never)
        {
            self.outputs.push(Output::Retire(id));
        }
    }

    /// Draws the edges of `graph` between `ids`, which stand in the order of
    /// the list that the graph was built from.
    pub(super) fn link(&mut self, ids: &[NodeId], graph: &Graph) {
        for (position, id) in ids.iter().enumerate() {
            let needs = graph
                .needs(position)
                .iter()
                .map(|&need| ids[need])
                .collect();
            if let Some(node) = self.nodes.get_mut(id) {
                node.needs = needs;
            }
        }
        self.index_dependents();
    }

    pub(super) fn index_dependents(&mut self) {
        self.dependents.clear();
        for (id, node) in &self.nodes {
            for need in &node.needs {
                self.dependents.entry(*need).or_default().push(*id);
            }
        }
    }

    /// Starts the monitor of a new node; its first check is due at `first`.
    pub(super) fn begin(&mut self, id: NodeId, first: Instant, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let Some(target) = node
            .config
            .target
            .clone()
            .filter(|_| node.work != Work::Never)
        else {
            return;
        };
        let next = (!node.is_blocked()).then_some(first);
        node.work = Work::Idle { next };
        self.outputs.push(Output::Spawn {
            node: id,
            generation: node.generation,
            name: node.config.name.clone(),
            target,
        });
        self.review_needs(id, now);
        self.touch(id, now);
    }

    /// Steps one machine and everything that depends on the outcome.
    fn apply(&mut self, id: NodeId, event: Event, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let let_pass = node.lets_pass();
        let transition = node.machine.step(event, node.thresholds(), now.wall);
        let lets_pass = node.lets_pass();
        node.refresh_view();
        let tale = match transition {
            Some(transition) => node.narrator.transition(transition, now.instant),
            None => node.narrator.checked(node.status(), now.instant),
        };
        if node.live {
            let view = node.view.clone();
            self.show(view.clone());
            if let Some(transition) = transition {
                self.note(&view, transition, now);
            }
            self.outputs
                .extend(tale.map(|tale| Output::Tell(line(view, tale))));
        } else {
            node.untold = transition.or(node.untold);
        }
        self.touch(id, now);
        if let_pass != lets_pass {
            self.count_awaited();
            for dependent in self.dependents.get(&id).cloned().unwrap_or_default() {
                self.review_needs(dependent, now);
            }
        }
    }

    /// Keeps a transition of a live node, also one that people are not told of.
    fn note(&mut self, view: &Arc<DependencyHealth>, transition: Transition, now: Now) {
        Arc::make_mut(&mut self.timeline).note(now.wall, transition, view.clone());
        self.outputs
            .push(Output::Count(view.name.clone(), transition.kind));
    }

    /// Blocks a node that lacks something, or lets it be checked again. Edges
    /// form no cycle, so this ends.
    pub(super) fn review_needs(&mut self, id: NodeId, now: Now) {
        let Some(node) = self.nodes.get(&id) else {
            return;
        };
        if node.work == Work::Never {
            return;
        }
        let missing = node.needs.iter().map(|need| &self.nodes[need]);
        let missing = missing
            .filter(|need| !need.lets_pass())
            .map(|need| need.name().clone())
            .next();
        match missing {
            Some(need) if node.machine.blocked_by() != Some(&need) => {
                self.apply(id, Event::NeedLost(need), now);
                let Some(node) = self.nodes.get_mut(&id) else {
                    return;
                };
                match &mut node.work {
                    Work::Idle { next } => *next = None,
                    // Its answer would mean nothing, and if it hangs it would
                    // hold up the check that is due when the need is back.
                    Work::Checking { .. } => {
                        node.generation += 1;
                        self.outputs.push(Output::Retire(id));
                        self.begin(id, now.instant, now);
                    }
                    Work::Never | Work::Broken { .. } => {}
                }
            }
            None if node.is_blocked() => {
                self.apply(id, Event::NeedsMet, now);
                let Some(node) = self.nodes.get_mut(&id) else {
                    return;
                };
                node.pace.unblocked();
                if let Work::Idle { next } = &mut node.work {
                    *next = Some(now.instant);
                }
            }
            _ => return,
        }
        self.touch(id, now);
    }

    /// Brings clock and agenda in line with what changed about a node.
    pub(super) fn touch(&mut self, id: NodeId, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        let shown = node.update_clock(self.gate_opens, now.instant) && node.live;
        let view = shown.then(|| node.view.clone());
        self.agenda.set(id, node.wakes_at());
        if let Some(view) = view {
            self.show(view);
        }
    }

    /// Lets readers see a live node as it is now.
    fn show(&mut self, view: Arc<DependencyHealth>) {
        self.roll.update(view);
        self.changed = true;
    }

    /// Lets them see which nodes are live, and each as it is now.
    pub(super) fn call_roll(&mut self) {
        let views = self.live.iter().map(|id| self.nodes[id].view.clone());
        self.roll = views.collect();
        self.changed = true;
    }

    fn keep_appointments(&mut self, now: Now) {
        while let Some((at, id)) = self.agenda.first() {
            if at > now.instant {
                return;
            }
            self.wake(id, now);
        }
    }

    /// The time has come to do something about a node.
    fn wake(&mut self, id: NodeId, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.clock.expires_at().is_some_and(|at| at <= now.instant) {
            let deadline = node.config.checks.startup_deadline.unwrap_or_default();
            node.clock = StartClock::new(None);
            let health = node.view.clone();
            self.outputs
                .push(Output::Fatal(Fatal::StartupDeadline { health, deadline }));
        }
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        match node.work {
            Work::Idle { next: Some(next) } if next <= now.instant => self.order_check(id, now),
            Work::Checking { overdue_at } if overdue_at <= now.instant => {
                let reason = "the monitor was silent for longer than its deadlines allow";
                self.monitor_broke(id, reason.to_owned(), now);
            }
            Work::Broken { respawn_at } if respawn_at <= now.instant => {
                self.begin(id, now.instant, now);
            }
            _ => {}
        }
        self.touch(id, now);
    }

    /// Takes over new settings without touching status or session, and brings
    /// a candidate among the live ones.
    pub(super) fn reconfigure(&mut self, id: NodeId, config: Dependency, now: Now) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        node.reconfigure(config);
        node.live = true;
        let untold = node.untold.take();
        let view = node.view.clone();
        if let Work::Idle { next: Some(next) } = node.work {
            let checks = &node.config.checks;
            let latest = now.instant + jittered(checks.interval, checks.jitter, &mut self.rng);
            node.work = Work::Idle {
                next: Some(next.min(latest)),
            };
        }
        if let Some(transition) = untold {
            self.note(&view, transition, now);
            self.outputs
                .push(Output::Tell(Line::Transition(view, transition)));
        }
    }
}

fn line(view: Arc<DependencyHealth>, tale: Tale) -> Line {
    match tale {
        Tale::Transition(transition) => Line::Transition(view, transition),
        Tale::StillDown => Line::StillDown(view),
        Tale::Flapping(flaps) => Line::Flapping(view, flaps),
        Tale::Calmed => Line::Calmed(view),
    }
}

#[cfg(test)]
mod tests;
