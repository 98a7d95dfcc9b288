//! One state of a small world, and the steps between states.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::model::{Step, World};
use super::recovery::Recovery;
use crate::dependency::{ErrorKind, Failure, Passed};
use crate::gate::{Decision, decide};
use crate::health::readiness::Verdict;
use crate::shutdown::Phase;
use crate::simulation::history::plan;
use crate::simulation::invariants;
use crate::simulation::leave;
use crate::simulation::ledger::{Ledger, Told};
use crate::supervisor::Fatal;
use crate::supervisor::inside::{Checked, Core, Input, Node, NodeId, Now, Output, Report, Work};

#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) core: Core,
    now: Instant,
    pub(super) monitors: BTreeMap<NodeId, Watcher>,
    pub(super) phase: Phase,
    /// What readers are told; the daemon may look at it late.
    gate_opens: bool,
    pub(super) gate_opened: bool,
    pub(super) gating_was_up: bool,
    /// What readers see.
    pub(super) verdict: Verdict,
    /// Follows from what has happened, as the core does: it tells no two
    /// states apart.
    ledger: Ledger,
    timeline_seen: u64,
    pub(super) breaks_left: u8,
    reload_left: bool,
    pub(super) reloaded: Option<bool>,
    gave_up: bool,
    /// What did not hold on the way here.
    pub(super) wrong: Option<String>,
}

/// A monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Watcher {
    generation: u32,
    pub(super) checks: bool,
}

impl State {
    pub(super) fn begin(world: &World) -> Self {
        let (dependencies, graph) = plan(&world.parts).expect("a legal graph");
        let now = Instant::now();
        let at = Now {
            instant: now,
            wall: Timestamp::UNIX_EPOCH,
        };
        let mut core = Core::new(dependencies, &graph, 7, at);
        let first = core.snapshot().expect("the first one");
        let ledger = Ledger::new(&core, now);
        let mut state = Self {
            core,
            now,
            monitors: BTreeMap::new(),
            phase: Phase::Starting,
            gate_opens: Verdict::of(first.dependencies.iter()).gating_up,
            gate_opened: false,
            gating_was_up: invariants::gating_up(&first.dependencies),
            verdict: Verdict::of(first.dependencies.iter()),
            ledger,
            timeline_seen: 0,
            breaks_left: world.breaks,
            reload_left: world.reload.is_some(),
            reloaded: None,
            gave_up: false,
            wrong: None,
        };
        state.handle(Input::Wake);
        state
    }

    /// Nothing can happen any more.
    pub(super) fn is_over(&self) -> bool {
        self.gave_up || self.phase == Phase::Stopped || self.wrong.is_some()
    }

    /// Whether the next time that the core wants to be woken for is the one at
    /// which a silent monitor is replaced.
    pub(super) fn breaks_by_waiting(&self) -> bool {
        let due = self.core.wakes_at();
        let mut nodes = self.core.nodes.values();
        nodes.any(
            |node| matches!(node.work, Work::Checking { overdue_at } if due >= Some(overdue_at)),
        )
    }

    pub(super) fn may_reload(&self) -> bool {
        self.reload_left && self.phase == Phase::Serving
    }

    pub(super) fn take(&mut self, world: &World, step: Step) {
        match step {
            Step::Passes(node) => self.answer(node, true),
            Step::Fails(node) => self.answer(node, false),
            Step::Breaks(node) => {
                self.breaks_left -= 1;
                let generation = self.monitors[&node].generation;
                self.handle(Input::MonitorEnded {
                    node,
                    generation,
                    reason: "explored".to_owned(),
                });
            }
            Step::TimePasses => {
                self.breaks_left -= u8::from(self.breaks_by_waiting());
                self.wait();
            }
            Step::DaemonLooks => self.look(),
            Step::Reload => {
                self.reload_left = false;
                let after = world.reload.as_deref().and_then(plan);
                let (dependencies, graph) = after.expect("a legal graph");
                self.handle(Input::Reload {
                    dependencies,
                    graph,
                });
            }
            Step::Stop => self.phase = Phase::Draining,
            Step::Close => {
                self.wrong = self.closes().err();
                self.phase = Phase::Stopped;
            }
        }
    }

    fn look(&mut self) {
        if decide(self.phase, self.gate_opens) == Decision::Open {
            self.phase = Phase::Serving;
            self.gate_opened = true;
        }
    }

    fn wait(&mut self) {
        if let Some(at) = self.core.wakes_at() {
            self.now = self.now.max(at);
            self.handle(Input::Wake);
        }
    }

    fn answer(&mut self, node: NodeId, passed: bool) {
        let Some(watcher) = self.monitors.get_mut(&node) else {
            return;
        };
        watcher.checks = false;
        let generation = watcher.generation;
        let result = if passed {
            Ok(Passed {
                latency: Duration::ZERO,
                note: None,
            })
        } else {
            Err(Failure::new(ErrorKind::Refused, "explored"))
        };
        self.handle(Input::Report {
            node,
            generation,
            report: Report::Checked(Checked::of(result, false)),
        });
    }

    fn handle(&mut self, input: Input) {
        let now = Now {
            instant: self.now,
            wall: Timestamp::UNIX_EPOCH,
        };
        let monitors = &self.monitors;
        let generation = |node| {
            monitors
                .get(&node)
                .map(|watcher: &Watcher| watcher.generation)
        };
        let told = self.ledger.read(&input, generation);
        let outputs = self.core.handle(input, now);
        if let Err(wrong) = self.judge(told, outputs) {
            self.wrong.get_or_insert(wrong);
        }
    }

    fn judge(&mut self, told: Told, outputs: Vec<Output>) -> Result<(), String> {
        self.ledger.compare(&self.core, told, &outputs, self.now)?;
        for output in outputs {
            self.carry_out(output)?;
        }
        if let Some(snapshot) = self.core.snapshot() {
            self.verdict = Verdict::of(snapshot.dependencies.iter());
            self.gate_opens |= self.verdict.gating_up;
            if invariants::gating_up(&snapshot.dependencies) {
                self.gating_was_up = true;
                self.ledger.gate_opens();
            }
            invariants::of_readers(&self.core, &snapshot.dependencies)?;
            invariants::of_roll(&snapshot.dependencies)?;
            let timeline = &snapshot.timeline;
            invariants::of_timeline(timeline, self.timeline_seen, self.ledger.transitions())?;
            self.timeline_seen = timeline.happened();
        }
        invariants::of_running_reload(&self.core, self.now)?;
        invariants::of_work(&self.core)
    }

    fn carry_out(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Spawn {
                node, generation, ..
            } => {
                let watcher = Watcher {
                    generation,
                    checks: false,
                };
                if self.monitors.insert(node, watcher).is_some() {
                    return Err(format!("{node:?}: a second monitor"));
                }
            }
            Output::Check { node, .. } => match self.monitors.get_mut(&node) {
                Some(watcher) if !watcher.checks => watcher.checks = true,
                Some(_) => return Err(format!("{node:?}: is checked twice at once")),
                None => return Err(format!("{node:?}: a check without a monitor")),
            },
            Output::Retire(node) => {
                self.monitors.remove(&node);
            }
            Output::Reloaded(outcome) => {
                self.reloaded = Some(outcome.is_ok());
                invariants::of_ended_reload(&self.core)?;
                invariants::of_edges(&self.core)?;
            }
            Output::Fatal(Fatal::StartupDeadline { health, .. }) => {
                self.gave_up = true;
                if self.gate_opened {
                    return Err(format!("{}: too late for its deadline", health.name));
                }
            }
            Output::Fatal(Fatal::MonitorKeepsBreaking { .. }) => self.gave_up = true,
            Output::Count(..) | Output::Tell(_) => {}
        }
        Ok(())
    }

    /// One that ended, or is about to, need not come up.
    pub(super) fn may_recover(&self) -> bool {
        !self.is_over() && self.phase != Phase::Draining
    }

    /// Everything is up, or it gave up, which it may do before the gate opens.
    pub(super) fn has_recovered(&self) -> Result<bool, String> {
        if let Some(wrong) = &self.wrong {
            return Err(wrong.clone());
        }
        if self.gave_up && self.gate_opened {
            return Err("it gives up".to_owned());
        }
        let all_up = self.core.nodes.values().all(|node| node.status().is_up());
        let is_quiet = self.phase == Phase::Serving && self.core.staged.is_none();
        Ok(self.gave_up || (all_up && is_quiet))
    }

    /// What may happen next once servers answer: an answer, however late a
    /// sound monitor may be with it, or else the daemon looks at what it was
    /// called for, or time passes.
    pub(super) fn fair_steps(&self) -> Vec<Step> {
        let asked = self.monitors.iter().filter(|(_, watcher)| watcher.checks);
        let mut steps: Vec<Step> = asked.map(|(node, _)| Step::Passes(*node)).collect();
        let may_open = decide(self.phase, self.gate_opens) == Decision::Open;
        if self.phase == Phase::Starting && may_open {
            steps.push(Step::DaemonLooks);
        } else if !self.breaks_by_waiting() && self.core.wakes_at().is_some() {
            steps.push(Step::TimePasses);
        }
        steps
    }

    /// The state after such a step, and how much time passes by it.
    pub(super) fn after(&self, step: Step) -> (Self, Duration) {
        let mut next = self.clone();
        match step {
            Step::Passes(node) => next.answer(node, true),
            Step::DaemonLooks => next.look(),
            _ => next.wait(),
        }
        let passed = next.now - self.now;
        (next, passed)
    }

    pub(super) fn closes(&self) -> Result<(), String> {
        let watched = self.core.nodes.iter();
        let watched = watched.filter(|(_, node)| node.work != Work::Never).count();
        let closed = leave::in_order(&self.core)?;
        leave::in_time(&self.core, self.now)?;
        if closed == watched {
            Ok(())
        } else {
            Err(format!("{closed} of {watched} are closed"))
        }
    }

    pub(super) fn explain(&self, world: &World) -> Option<String> {
        let found = self.wrong.clone();
        found
            .or_else(|| Recovery::of(world, self).err())
            .or_else(|| self.closes().err())
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// What of a node decides about its future. Restarts are too few to end
    /// the process.
    fn hash_node(&self, id: NodeId, node: &Node, state: &mut impl Hasher) {
        let ahead = |at: Instant| at.saturating_duration_since(self.now);
        (id, node.status(), node.machine.blocked_by(), node.live).hash(state);
        let machine = &node.machine;
        (
            machine.initialized(),
            machine.failures().min(2),
            machine.passes().min(2),
        )
            .hash(state);
        match node.work {
            Work::Never => (0, None),
            Work::Idle { next } => (1, next.map(ahead)),
            Work::Checking { overdue_at } => (2, Some(ahead(overdue_at))),
            Work::Broken { respawn_at } => (3, Some(ahead(respawn_at))),
        }
        .hash(state);
        node.view.start_deadline.left(self.now).hash(state);
        node.clock.expires_at().map(ahead).hash(state);
        let watcher = self.monitors.get(&id);
        watcher.map(|watcher| watcher.checks).hash(state);
    }
}

/// The same future lies ahead of both.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (id, node) in &self.core.nodes {
            self.hash_node(*id, node, state);
        }
        self.core.live.hash(state);
        let since = self.core.staged.as_ref().map(|staged| staged.since);
        since.map(|since| self.now - since).hash(state);
        (self.phase, self.gate_opens, self.gate_opened).hash(state);
        self.gating_was_up.hash(state);
        let verdict = self.verdict;
        (verdict.gating_up, verdict.required_up, verdict.all_up).hash(state);
        (self.breaks_left, self.reload_left, self.reloaded).hash(state);
        (self.gave_up, &self.wrong).hash(state);
    }
}
