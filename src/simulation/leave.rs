//! The end of all sessions, as the supervisor closes them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::world::World;
use crate::supervisor::inside::{Close, Closing, Core, NodeId, Work};

/// How long the daemon waits for the supervisor.
const SESSIONS: Duration = Duration::from_secs(2);

/// Closes everything, and looks at the order and the bound.
pub(super) fn close_sessions(world: &mut World<'_>) -> Result<(), String> {
    in_order(&world.core)?;
    let began = world.now;
    let mut closing = Closing::begin(world.core.stop_order(), began);
    while let Some(Close { node, until, .. }) = closing.next(world.now) {
        let monitor = world.monitors.remove(&node);
        if monitor.is_some_and(|monitor| monitor.wedged) {
            world.now = world.now.max(until);
        }
    }
    if let Some(monitor) = world.monitors.values().next() {
        return Err(format!("d{} is never closed", monitor.number));
    }
    let late = world
        .daemon
        .leaving
        .is_some_and(|leaving| world.now > leaving.bound);
    if late || world.now - began > SESSIONS {
        return Err("closing took longer than its bound".to_owned());
    }
    Ok(())
}

/// All of them end when they are said to, and before the daemon waits no more,
/// even if every monitor holds on.
pub(super) fn in_time(core: &Core, began: Instant) -> Result<(), String> {
    let mut closing = Closing::begin(core.stop_order(), began);
    let mut now = began;
    while let Some(Close { until, .. }) = closing.next(now) {
        now = until;
    }
    if now > closing.ends_by() || now - began > SESSIONS {
        return Err(format!("closing takes {:?}", now - began));
    }
    Ok(())
}

/// Every session is closed once, before those of what it needs; answers with
/// how many there are.
pub(super) fn in_order(core: &Core) -> Result<usize, String> {
    let mut closed: BTreeSet<NodeId> = BTreeSet::new();
    for (node, name) in core.stop_order() {
        let mut dependents = core.nodes.iter().filter(|(id, other)| {
            let watched = !matches!(other.work, Work::Never);
            watched && other.needs.contains(&node) && !closed.contains(id)
        });
        if let Some((_, dependent)) = dependents.next() {
            return Err(format!("{name} is closed before {}", dependent.name()));
        }
        if !closed.insert(node) {
            return Err(format!("{name} is closed twice"));
        }
    }
    Ok(closed.len())
}
