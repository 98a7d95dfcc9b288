//! The end of all sessions, as the supervisor closes them.

use std::collections::BTreeSet;

use super::world::World;
use crate::supervisor::inside::{Close, Closing, NodeId, Work};

/// Closes everything, and looks at the order.
pub(super) fn close_sessions(world: &mut World<'_>) -> Result<(), String> {
    let began = world.now;
    let mut closing = Closing::begin(world.core.stop_order(), began);
    let mut closed: BTreeSet<NodeId> = BTreeSet::new();
    while let Some(Close { node, name, until }) = closing.next(world.now) {
        let nodes = world.core.nodes.iter();
        let dependents = nodes.filter(|(_, other)| other.needs.contains(&node));
        let mut left = dependents
            .filter(|(id, other)| !matches!(other.work, Work::Never) && !closed.contains(id));
        if let Some((_, dependent)) = left.next() {
            return Err(format!("{name} is closed before {}", dependent.name()));
        }
        if !closed.insert(node) {
            return Err(format!("{name} is closed twice"));
        }
        let monitor = world.monitors.remove(&node);
        if monitor.is_some_and(|monitor| monitor.wedged) {
            world.now = world.now.max(until);
        }
    }
    if let Some(monitor) = world.monitors.values().next() {
        return Err(format!("d{} is never closed", monitor.number));
    }
    let leaving = world.daemon.leaving;
    if leaving.is_some_and(|leaving| world.now > leaving.bound) || world.now - began > SESSIONS {
        return Err("closing took longer than its bound".to_owned());
    }
    Ok(())
}

/// How long the daemon waits for the supervisor.
const SESSIONS: std::time::Duration = std::time::Duration::from_secs(2);
