//! A reload: the new graph is brought up beside the old one and swapped in
//! when readiness cannot dip by it, or given up at a deadline.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::core::{Core, Now, lateness};
use super::decision::Output;
use super::node::{NodeId, Work};
use crate::config::Dependency;
use crate::dependency::{Name, Policy};
use crate::graph::Graph;

/// How long a reload waits for a dependency whose start deadline is `never`. A
/// start may wait for ever; reloads are one at a time, and the next, which may
/// bring the correction, must get its turn.
const WHERE_STARTS_WAIT_FOR_EVER: Duration = Duration::from_secs(30);

/// How a reload ended.
pub(crate) type Outcome = Result<Applied, Refused>;

/// What a reload changed about the graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    pub added: Vec<Name>,
    pub changed: Vec<Name>,
    pub removed: Vec<Name>,
}

/// Why a reload left everything as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct Refused(pub Vec<String>);

/// A reload that has not ended.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub(crate) since: Instant,
    dependencies: Vec<Dependency>,
    graph: Graph,
    /// A node for each dependency: the live one where it can stay, else a
    /// candidate.
    nodes: Vec<NodeId>,
    /// What the swap waits for: counted anew when somebody goes up or down.
    awaited: Vec<Awaited>,
}

impl Staged {
    /// Its nodes, each behind all that it needs.
    pub(crate) fn start_order(&self) -> Vec<NodeId> {
        let order = self.graph.start_order().iter();
        order.map(|&position| self.nodes[position]).collect()
    }
}

#[cfg(test)]
impl Staged {
    /// By when it has ended, whatever happens.
    pub(crate) fn ends_by(&self) -> Option<Instant> {
        let deadline = |dependency: &Dependency| {
            let own = dependency.checks.startup_deadline;
            own.unwrap_or(WHERE_STARTS_WAIT_FOR_EVER)
        };
        let longest = self.dependencies.iter().map(deadline).max()?;
        self.since.checked_add(longest)
    }
}

/// Something the swap waits for.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    node: NodeId,
    deadline: Duration,
}

impl Core {
    /// Begins a reload: new and changed dependencies get a node of their own,
    /// beside the old ones.
    pub(super) fn stage(&mut self, dependencies: Vec<Dependency>, graph: Graph, now: Now) {
        let nodes: Vec<NodeId> = dependencies
            .iter()
            .map(|dependency| match self.keeper(dependency) {
                Some(node) => node,
                None => self.add(dependency.clone(), false, now),
            })
            .collect();
        for (position, id) in nodes.iter().enumerate() {
            let needs = graph
                .needs(position)
                .iter()
                .map(|&need| nodes[need])
                .collect();
            if let Some(node) = self.nodes.get_mut(id).filter(|node| !node.live) {
                node.needs = needs;
            }
        }
        self.index_dependents();
        let candidates = nodes.iter().filter(|id| !self.nodes[id].live);
        for (id, place) in candidates.copied().collect::<Vec<_>>().into_iter().zip(0..) {
            self.begin(id, now.instant + lateness(place), now);
        }
        self.staged = Some(Staged {
            since: now.instant,
            dependencies,
            graph,
            nodes,
            awaited: Vec::new(),
        });
        self.count_awaited();
    }

    /// The live node that can go on for `dependency`: same address, same
    /// credentials, or not watched before and after.
    fn keeper(&self, dependency: &Dependency) -> Option<NodeId> {
        let id = self.live_node(&dependency.name)?;
        let old = &self.nodes[&id].config;
        let same_server =
            old.is_watched() && dependency.is_watched() && old.target == dependency.target;
        let same_rest = !old.is_watched()
            && !dependency.is_watched()
            && (old.policy == Policy::Disabled) == (dependency.policy == Policy::Disabled);
        (same_server || same_rest).then_some(id)
    }

    /// Somebody went up or down: the swap may wait for less, or for more.
    pub(super) fn count_awaited(&mut self) {
        if let Some(mut staged) = self.staged.take() {
            staged.awaited = self.awaited(&staged);
            self.staged = Some(staged);
        }
    }

    /// Everything that would make readiness dip if the swap happened now.
    fn awaited(&self, staged: &Staged) -> Vec<Awaited> {
        let mut awaited = HashSet::new();
        for (position, id) in staged.nodes.iter().enumerate() {
            let (node, new) = (&self.nodes[id], &staged.dependencies[position]);
            let newly_required =
                new.policy == Policy::Required && node.config.policy != Policy::Required;
            if (!node.live || newly_required) && !node.lets_pass() {
                awaited.insert(position);
            }
            if node.live && node.status().is_up() {
                let needs = staged.graph.needs(position).iter().copied();
                awaited.extend(needs.filter(|&need| !self.nodes[&staged.nodes[need]].lets_pass()));
            }
        }
        let entry = |position: usize| Awaited {
            node: staged.nodes[position],
            deadline: staged.dependencies[position]
                .checks
                .startup_deadline
                .unwrap_or(WHERE_STARTS_WAIT_FOR_EVER),
        };
        awaited.into_iter().map(entry).collect()
    }

    pub(super) fn staged_expires_at(&self) -> Option<Instant> {
        let staged = self.staged.as_ref()?;
        let awaited = staged.awaited.iter();
        awaited
            .filter_map(|awaited| staged.since.checked_add(awaited.deadline))
            .min()
    }

    /// Swaps when nothing is awaited any more, gives up when a deadline passed.
    pub(super) fn settle_reload(&mut self, now: Now) {
        let Some(staged) = self.staged.take() else {
            return;
        };
        if staged.awaited.is_empty() {
            let applied = self.swap(staged, now);
            self.outputs.push(Output::Reloaded(Ok(applied)));
            return;
        }
        let expired = |awaited: &&Awaited| {
            let end = staged.since.checked_add(awaited.deadline);
            end.is_some_and(|end| end <= now.instant)
        };
        let mut problems: Vec<String> = staged
            .awaited
            .iter()
            .filter(expired)
            .map(|awaited| self.complaint(awaited))
            .collect();
        if problems.is_empty() {
            self.staged = Some(staged);
            return;
        }
        problems.sort();
        self.give_up(problems);
    }

    /// Ends a reload whose candidate cannot even be watched.
    pub(crate) fn abandon_reload(&mut self, problem: String) {
        if self.staged.take().is_some() {
            self.give_up(vec![problem]);
        }
    }

    fn give_up(&mut self, problems: Vec<String>) {
        let candidates: Vec<NodeId> = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.live)
            .map(|(id, _)| *id)
            .collect();
        for id in candidates {
            self.remove(id);
        }
        self.index_dependents();
        self.outputs.push(Output::Reloaded(Err(Refused(problems))));
    }

    fn complaint(&self, awaited: &Awaited) -> String {
        let node = &self.nodes[&awaited.node];
        let deadline = humantime::format_duration(awaited.deadline);
        let (name, url) = (node.name(), &node.view.url);
        let error = match (node.machine.blocked_by(), node.machine.failure()) {
            (Some(need), _) => format!("it needs {need}, which is not up"),
            (None, Some(failure)) => failure.message.clone(),
            (None, None) => "it did not answer".to_owned(),
        };
        format!("{name} ({url}) was not up within {deadline}: {error}")
    }

    fn swap(&mut self, staged: Staged, now: Now) -> Applied {
        let mut applied = Applied::default();
        let start_order = staged.start_order();
        let old: Vec<NodeId> = std::mem::take(&mut self.live);
        let old_names: HashSet<Name> = old.iter().map(|id| self.nodes[id].name().clone()).collect();
        for (id, config) in staged.nodes.iter().zip(staged.dependencies) {
            let name = config.name.clone();
            let before = &self.nodes[id];
            match (
                old_names.contains(&name),
                before.live && before.config == config,
            ) {
                (false, _) => applied.added.push(name),
                (true, false) => applied.changed.push(name),
                (true, true) => {}
            }
            self.reconfigure(*id, config, now);
        }
        self.link(&staged.nodes, &staged.graph);
        let kept: HashSet<NodeId> = staged.nodes.iter().copied().collect();
        let names: HashSet<Name> = kept
            .iter()
            .map(|id| self.nodes[id].name().clone())
            .collect();
        for id in old.into_iter().filter(|id| !kept.contains(id)) {
            let name = self.nodes[&id].name().clone();
            if !names.contains(&name) {
                applied.removed.push(name);
            }
            self.remove(id);
        }
        self.index_dependents();
        self.live = start_order;
        for id in self.live.clone() {
            if self.nodes[&id].work != Work::Never {
                self.review_needs(id, now);
            }
            self.touch(id, now);
        }
        self.call_roll();
        applied
    }
}
