//! What can happen next in a state, and what must hold in each.

use std::time::Duration;

use stateright::{Model, Property};

use super::recovery::Recovery;
use super::state::State;
use super::{always, sometimes};
use crate::dependency::Policy;
use crate::health::Status;
use crate::shutdown::Phase;
use crate::simulation::history::{Part, plan};
use crate::simulation::{invariants, settling};
use crate::supervisor::inside::NodeId;

/// A small world.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) name: &'static str,
    pub(super) parts: Vec<Part>,
    /// How many monitors may break.
    pub(super) breaks: u8,
    pub(super) reload: Option<Vec<Part>>,
    pub(super) recovery: Recovery,
}

/// Something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Passes(NodeId),
    Fails(NodeId),
    /// The monitor panics.
    Breaks(NodeId),
    /// Nothing else happens until the core wants to be woken.
    TimePasses,
    /// The daemon looks at what was published.
    DaemonLooks,
    Reload,
    /// A signal that stops.
    Stop,
    /// Requests have ended.
    Close,
}

impl World {
    pub(super) fn new(name: &'static str, parts: Vec<Part>) -> Self {
        Self {
            name,
            parts,
            breaks: 0,
            reload: None,
            recovery: Recovery::default(),
        }
    }

    /// By when everything is up once servers answer: after one wait for a check
    /// the lowest rises by answers each of which may be late, and whoever was
    /// blocked by it by one answer. A monitor that breaks is replaced at once,
    /// and what it watched rises anew. All that again after a reload.
    pub(super) fn bound(&self) -> Duration {
        let late = Duration::from_secs(2);
        let respawn = Duration::from_millis(100);
        let graphs = [Some(&self.parts), self.reload.as_ref()];
        let ways = graphs.into_iter().flatten().map(|parts| {
            let (dependencies, _) = plan(parts).expect("a legal graph");
            let checks = &parts[0].checks;
            let rises = (checks.fast_interval + late) * checks.rise;
            let broken = (late + respawn + rises) * u32::from(self.breaks);
            checks.interval + rises + late * (settling::depth(&dependencies) - 1) + broken
        });
        ways.sum()
    }

    pub(super) fn with_breaks(self, breaks: u8) -> Self {
        Self { breaks, ..self }
    }

    pub(super) fn with_reload(self, after: Vec<Part>) -> Self {
        Self {
            reload: Some(after),
            ..self
        }
    }
}

impl Model for World {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::begin(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.is_over() {
            return;
        }
        for (node, monitor) in &state.monitors {
            if monitor.checks {
                steps.extend([Step::Passes(*node), Step::Fails(*node)]);
            }
            if state.breaks_left > 0 {
                steps.push(Step::Breaks(*node));
            }
        }
        if state.breaks_left > 0 || !state.breaks_by_waiting() {
            steps.push(Step::TimePasses);
        }
        match state.phase {
            Phase::Starting => steps.extend([Step::DaemonLooks, Step::Stop]),
            Phase::Serving => steps.push(Step::Stop),
            _ => steps.push(Step::Close),
        }
        if state.may_reload() {
            steps.push(Step::Reload);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut next = last.clone();
        next.take(self, step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            always(
                "orders can be carried out, counters and steps are true, and nothing dips",
                |_, state| state.wrong.is_none(),
            ),
            always(
                "the gate opens only after all that gates was up at once",
                |_, state| !state.gate_opened || state.gating_was_up,
            ),
            always(
                "readiness is 2xx exactly while what is required is up",
                |_, state| {
                    let required_up =
                        invariants::all_up(&state.core, |policy| policy == Policy::Required);
                    let ready = state.verdict.overall(state.phase).is_ready();
                    ready == (required_up && state.phase == Phase::Serving)
                },
            ),
            always(
                "once faults stop, everything is up within its bound in every order",
                |world, state| Recovery::of(world, state).is_ok(),
            ),
            always(
                "a stop ends everything in reverse order and in time",
                |_, state| state.closes().is_ok(),
            ),
            sometimes("it serves", |_, state| state.phase == Phase::Serving),
            sometimes("it stops", |_, state| state.phase == Phase::Stopped),
            sometimes("it is unavailable", |_, state| {
                state.phase == Phase::Serving && !state.verdict.required_up
            }),
            sometimes("something comes back", |_, state| {
                let mut nodes = state.core.nodes.values();
                nodes.any(|node| node.status() == Status::Ok && node.machine.attempts() > 3)
            }),
        ];
        if self.reload.is_some() {
            all.push(sometimes("a reload is applied", |_, state| {
                state.reloaded == Some(true)
            }));
            all.push(sometimes("a reload is refused", |_, state| {
                state.reloaded == Some(false)
            }));
        }
        all
    }
}
