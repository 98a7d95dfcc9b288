//! What must come true once faults have stopped, and what may end the process
//! before.

use std::collections::BTreeMap;
use std::time::Duration;

use super::daemon::Daemon;
use super::history::Part;
use super::invariants::is_down;
use super::world::World;
use crate::config::{Checks, Dependency};
use crate::dependency::Name;
use crate::shutdown::Phase;
use crate::supervisor::Fatal;
use crate::supervisor::inside::{Core, Work};

/// How much longer than its deadlines a monitor may be silent.
const STUCK_GRACE: Duration = Duration::from_secs(2);
/// The longest delay before a broken one is replaced: that of the fifth, for
/// the sixth ends the process.
const LONGEST_RESPAWN: Duration = Duration::from_millis(1_600);
/// What is said before a reload begins, and each answer.
const MESSAGES: Duration = Duration::from_millis(20);

/// By when everything is up, from any state, once all servers answer.
///
/// No check that begins then fails. So each node goes down once more at most,
/// for a check that runs already, or for a monitor that fell silent before.
/// Whoever is not blocked begins its next check after one wait at most; who is
/// blocked begins it as soon as all that it needs is up. From there it is one
/// climb, whatever happens: hence one wait, and as many climbs as the longest
/// way through the graph has nodes.
///
/// By then a reload that runs finds everything up that it takes over, and its
/// candidates climb. If it is through earlier, its graph finds itself in any
/// state, and the same holds of it. The next reload begins after that. Only
/// the daemon may have to be waited for, whose task still sleeps.
pub(super) fn bound(core: &Core, daemon: &Daemon) -> Duration {
    let live = core.live.iter().map(|id| &core.nodes[id].config);
    let mut graphs = vec![live.cloned().collect::<Vec<Dependency>>()];
    let parts = daemon.reloads_to_come();
    graphs.extend(parts.map(|parts| parts.iter().map(Part::dependency).collect()));
    let all = || graphs.iter().flatten().map(|dependency| &dependency.checks);
    let wait = all().map(wait).max().unwrap_or_default();
    let climb = all().map(climb).max().unwrap_or_default();
    let ways = graphs
        .iter()
        .map(|graph| MESSAGES + wait + climb * depth(graph));
    ways.sum()
}

/// The longest time until a check begins.
fn wait(checks: &Checks) -> Duration {
    checks
        .interval
        .max(checks.max_backoff)
        .max(checks.fast_interval)
}

/// The longest way up of one dependency from the beginning of a check: its
/// monitor is silent, and the one that replaces it sees it come back.
fn climb(checks: &Checks) -> Duration {
    let silent = checks.timeout + checks.connect_timeout.max(checks.timeout) + STUCK_GRACE;
    let rises = (checks.fast_interval + MESSAGES) * checks.rise;
    silent + LONGEST_RESPAWN + rises
}

/// How many nodes there are on the longest way through a graph; nobody waits
/// for one that is not watched.
pub(super) fn depth(graph: &[Dependency]) -> u32 {
    fn of<'a>(
        name: &'a Name,
        watched: &BTreeMap<&'a Name, &'a Dependency>,
        known: &mut BTreeMap<&'a Name, u32>,
    ) -> u32 {
        let Some(dependency) = watched.get(name) else {
            return 0;
        };
        if let Some(depth) = known.get(name) {
            return *depth;
        }
        let needs = dependency.needs.iter();
        let below = needs.map(|need| of(need, watched, known)).max();
        let depth = below.unwrap_or(0) + 1;
        known.insert(name, depth);
        depth
    }
    let watched = graph.iter().filter(|dependency| dependency.is_watched());
    let watched: BTreeMap<_, _> = watched.map(|one| (&one.name, one)).collect();
    let mut known = BTreeMap::new();
    let depths = watched.keys().map(|name| of(name, &watched, &mut known));
    depths.max().unwrap_or(0)
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
