//! What must hold after every event, whatever the event was.

use std::sync::Arc;

use tokio::time::Instant;

use super::daemon::Daemon;
use super::monitors::Monitors;
use crate::dependency::Policy;
use crate::health::history::Timeline;
use crate::health::machine::TransitionKind;
use crate::health::readiness::Tally;
use crate::health::{DependencyHealth, Published, Roll, Status};
use crate::shutdown::Phase;
use crate::supervisor::inside::{Core, Node, Staged, Work};

/// The steps that the contract knows.
fn is_legal(previous: Status, status: Status) -> bool {
    use Status::{Blocked, Error, Failing, Ok, Starting};
    match previous {
        Starting => matches!(status, Starting | Ok | Error | Blocked),
        Blocked => matches!(status, Starting | Ok | Error),
        Ok => matches!(status, Failing | Error | Blocked),
        Failing => matches!(status, Ok | Error | Blocked),
        Error => matches!(status, Ok | Blocked),
        Status::Disabled | Status::NotConfigured => false,
    }
}

/// Whether one counts against a verdict, in the contract's words.
pub(super) fn is_down(status: Status) -> bool {
    !matches!(
        status,
        Status::Ok | Status::Failing | Status::Disabled | Status::NotConfigured
    )
}

/// Whether every live dependency of such a policy is up, as the core has it.
pub(super) fn all_up(core: &Core, counts: impl Fn(Policy) -> bool) -> bool {
    let mut live = core.live.iter().map(|id| &core.nodes[id]);
    live.all(|node| !counts(node.config.policy) || !is_down(node.status()))
}

/// The same over what readers were given.
pub(super) fn gating_up(dependencies: &Roll) -> bool {
    dependencies
        .iter()
        .all(|d| !matches!(d.policy, Policy::Required | Policy::Startup) || !is_down(d.status))
}

/// Nothing is checked in vain, forgotten, or held back without a reason.
pub(super) fn of_work(core: &Core) -> Result<(), String> {
    let wakes_at = core.wakes_at();
    for node in core.nodes.values() {
        let wrong = |what: &str| Err(format!("{}: {what}", node.name()));
        let needs = || node.needs.iter().map(|need| &core.nodes[need]);
        let missing = needs().any(|need| is_down(need.status()));
        match node.work {
            Work::Never if node.status().counts() => return wrong("counts and is not watched"),
            Work::Checking { .. } if missing => {
                return wrong("is checked while something it needs is down");
            }
            Work::Idle { next: None } if !missing => return wrong("waits for nothing"),
            Work::Idle { next: Some(_) } if missing => {
                return wrong("is to be checked while something it needs is down");
            }
            _ => {}
        }
        if node.status().counts() && node.is_blocked() != missing {
            return wrong("is blocked without a reason, or free without one");
        }
        let by = node.machine.blocked_by();
        if by.is_some_and(|by| !needs().any(|need| need.name() == by && is_down(need.status()))) {
            return wrong("names a need that is not down");
        }
        let kept = |due| wakes_at.is_some_and(|at| at <= due);
        if node.wakes_at().is_some_and(|due| !kept(due)) {
            return wrong("has an appointment that nobody keeps");
        }
    }
    Ok(())
}

/// Monitors do what the core believes they do.
pub(super) fn of_monitors(core: &Core, monitors: &Monitors) -> Result<(), String> {
    for (id, node) in &core.nodes {
        let monitor = monitors.get(id);
        let checks = monitor.is_some_and(|monitor| monitor.check.is_some());
        if checks && !matches!(node.work, Work::Checking { .. }) {
            return Err(format!(
                "{}: is checked, and the core does not know",
                node.name()
            ));
        }
        let watched = matches!(node.work, Work::Idle { .. } | Work::Checking { .. });
        if watched && monitor.is_none() {
            return Err(format!("{}: has no monitor", node.name()));
        }
    }
    match monitors.keys().find(|id| !core.nodes.contains_key(id)) {
        Some(id) => Err(format!("{id:?} is gone, and its monitor is not")),
        None => Ok(()),
    }
}

/// Edges are those of the configuration, between live ones, and the order of
/// start goes along them.
pub(super) fn of_edges(core: &Core) -> Result<(), String> {
    for (place, id) in core.live.iter().enumerate() {
        let node: &Node = &core.nodes[id];
        let mut linked: Vec<_> = node
            .needs
            .iter()
            .map(|need| core.nodes[need].name())
            .collect();
        let mut configured: Vec<_> = node.config.needs.iter().collect();
        linked.sort();
        linked.dedup();
        configured.sort();
        configured.dedup();
        let behind = node
            .needs
            .iter()
            .all(|need| core.live[..place].contains(need));
        if linked != configured || !behind || !node.live {
            return Err(format!("{}: its edges are wrong", node.name()));
        }
    }
    Ok(())
}

/// Readers see the state as it is.
pub(super) fn of_readers(core: &Core, roll: &Roll) -> Result<(), String> {
    let views = core.live.iter().map(|id| &core.nodes[id].view);
    if views.eq_by_pointer(roll.iter()) {
        Ok(())
    } else {
        Err("readers see an old state".to_owned())
    }
}

/// Readers are told the truth, at once.
pub(super) fn of_readiness(core: &Core, published: &Published, phase: Phase) -> Result<(), String> {
    of_readers(core, &published.snapshot.dependencies)?;
    let ready = published.verdict.overall(phase).is_ready();
    let required_up = all_up(core, |policy| policy == Policy::Required);
    if ready != (required_up && phase == Phase::Serving) {
        return Err(format!(
            "readiness says {ready} in phase {phase} while required_up is {required_up}"
        ));
    }
    Ok(())
}

/// Counts that are kept are what counting gives.
pub(super) fn of_roll(roll: &Roll) -> Result<(), String> {
    let mut tally = Tally::default();
    let mut wrong = roll.wrong();
    for dependency in roll.iter() {
        tally.count(dependency.policy, dependency.status);
        let listed = !is_wrong(dependency.status)
            || wrong
                .next()
                .is_some_and(|next| Arc::ptr_eq(next, dependency));
        if !listed {
            return Err(format!("{} is not known to be wrong", dependency.name));
        }
    }
    if *roll.tally() != tally || wrong.next().is_some() {
        return Err("the roll does not add up".to_owned());
    }
    Ok(())
}

fn is_wrong(status: Status) -> bool {
    is_down(status) || status == Status::Failing
}

trait EqByPointer<'a>: Iterator<Item = &'a Arc<DependencyHealth>> + Sized {
    fn eq_by_pointer(self, other: impl Iterator<Item = &'a Arc<DependencyHealth>>) -> bool {
        let pointer = |health: &'a Arc<DependencyHealth>| Arc::as_ptr(health);
        self.map(pointer).eq(other.map(pointer))
    }
}

impl<'a, I: Iterator<Item = &'a Arc<DependencyHealth>>> EqByPointer<'a> for I {}

/// Transitions are legal steps, each from where the last one led, and each is
/// counted.
pub(super) fn of_timeline(timeline: &Timeline, seen: u64, counted: u64) -> Result<(), String> {
    if timeline.happened() != counted {
        return Err(format!(
            "{} transitions happened, and {counted} were counted",
            timeline.happened()
        ));
    }
    for moment in timeline.after(seen) {
        let step = moment.transition;
        let kind = match step.status {
            Status::Ok if step.previous == Status::Starting => TransitionKind::Ready,
            Status::Ok if step.kind == TransitionKind::Ready => TransitionKind::Ready,
            Status::Ok => TransitionKind::Recovered,
            Status::Failing | Status::Starting => TransitionKind::Failing,
            Status::Blocked => TransitionKind::Blocked,
            _ => TransitionKind::Down,
        };
        let as_left = moment.dependency.status == step.status;
        if !is_legal(step.previous, step.status) || kind != step.kind || !as_left {
            return Err(format!(
                "{}: {step:?} is no legal step",
                moment.dependency.name
            ));
        }
    }
    Ok(())
}

/// A reload that ended left nothing half done.
pub(super) fn of_ended_reload(core: &Core) -> Result<(), String> {
    match core.nodes.values().find(|node| !node.live) {
        Some(node) => Err(format!("{}: a reload left its candidate", node.name())),
        None => Ok(()),
    }
}

/// One that runs ends in time.
pub(super) fn of_running_reload(core: &Core, now: Instant) -> Result<(), String> {
    match core.staged.as_ref().and_then(Staged::ends_by) {
        Some(end) if end < now => Err("a reload is past its deadline".to_owned()),
        _ => Ok(()),
    }
}

pub(super) fn required_up(core: &Core) -> bool {
    all_up(core, |policy| policy == Policy::Required)
}

/// The listener is never open before all that gates was up at once.
pub(super) fn of_phase(daemon: &Daemon, gating_was_up: bool) -> Result<(), String> {
    if daemon.phase.gate_opened() && !gating_was_up {
        return Err("the gate is open, and what gates was never up at once".to_owned());
    }
    Ok(())
}
