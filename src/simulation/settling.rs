//! What must come true once faults have stopped, and what may end the process
//! before.

use std::time::Duration;

use super::history::Part;
use super::invariants::is_down;
use super::world::World;
use crate::config::Checks;
use crate::shutdown::Phase;
use crate::supervisor::Fatal;
use crate::supervisor::inside::{Core, Work};

/// How much longer than its deadlines a monitor may be silent.
const STUCK_GRACE: Duration = Duration::from_secs(2);
/// The longest delay before a broken one is replaced.
const LONGEST_RESPAWN: Duration = Duration::from_secs(2);
/// Each message, and each answer.
const MESSAGES: Duration = Duration::from_millis(20);

/// By when everything is up, from any state, once all servers answer: each
/// level of the graph waits for the one below it.
pub(super) fn bound(core: &Core, parts: &[Part]) -> Duration {
    let running = core.nodes.values().map(|node| &node.config.checks);
    let all = running.chain(parts.iter().map(|part| &part.checks));
    let slowest = all.map(one).max().unwrap_or_default();
    let levels = u32::try_from(core.nodes.len() + parts.len()).unwrap_or(u32::MAX);
    // A reload may run, and another one wait.
    slowest * levels.min(12) * 3
}

/// The longest way up of one dependency.
fn one(checks: &Checks) -> Duration {
    let waits = checks.interval.max(checks.max_backoff);
    let silent = checks.timeout + checks.connect_timeout.max(checks.timeout) + STUCK_GRACE;
    let rises = (checks.fast_interval + MESSAGES) * checks.rise;
    waits + silent + LONGEST_RESPAWN + rises
}

/// Everything is up and nothing is under way.
pub(super) fn is_quiet(world: &World<'_>) -> bool {
    world.core.staged.is_none()
        && world.daemon.is_quiet()
        && world.daemon.phase.get() == Phase::Serving
        && world
            .core
            .nodes
            .values()
            .all(|node| !is_down(node.status()))
        && world.reader.current().verdict.all_up
        && !world.monitors.values().any(|monitor| monitor.wedged)
        && !world
            .core
            .nodes
            .values()
            .any(|node| matches!(node.work, Work::Broken { .. }))
}

pub(super) fn is_settled(world: &World<'_>) -> Result<(), String> {
    if world.daemon.leaving.is_some() || is_quiet(world) {
        return Ok(());
    }
    let down: Vec<String> = world
        .core
        .nodes
        .values()
        .map(|node| format!("{} {} {:?}", node.name(), node.status(), node.work))
        .collect();
    Err(format!(
        "faults stopped long ago, and it did not settle: phase {}, {}",
        world.daemon.phase.get(),
        down.join(", ")
    ))
}

/// The process may give up only for a reason.
pub(super) fn is_justified(world: &World<'_>, fatal: &Fatal) -> Result<(), String> {
    match fatal {
        Fatal::StartupDeadline { health, .. } => {
            if world.daemon.phase.gate_opened() {
                return Err(format!(
                    "{}: a start deadline ends the process after the gate has opened",
                    health.name
                ));
            }
            match world.spent(health.name.as_str()) {
                Some((spent, Some(deadline))) if spent >= deadline => Ok(()),
                other => Err(format!("{}: gave up too early: {other:?}", health.name)),
            }
        }
        Fatal::MonitorKeepsBreaking {
            dependency,
            restarts,
            ..
        } => {
            let seen = world.restarted(dependency);
            if *restarts == 5 && seen == 5 {
                Ok(())
            } else {
                Err(format!("{dependency}: gave up after {restarts} ({seen})"))
            }
        }
    }
}
