//! The graphs that are looked at.

use std::time::Duration;

use super::model::World;
use crate::config::Checks;
use crate::dependency::Policy::{self, Optional, Required, Startup};
use crate::simulation::history::Part;

const SECOND: Duration = Duration::from_secs(1);

/// Every delay is a second, and a check takes none.
fn part(number: usize, policy: Policy, needs: &[usize], port: u16) -> Part {
    Part {
        number,
        policy,
        needs: needs.to_vec(),
        port: Some(port),
        checks: Checks {
            interval: SECOND,
            fast_interval: SECOND,
            max_backoff: SECOND,
            jitter: 0.0,
            connect_timeout: Duration::ZERO,
            timeout: Duration::ZERO,
            fall: 2,
            rise: 2,
            startup_deadline: None,
        },
    }
}

pub(super) fn chain() -> World {
    let mut parts = vec![
        part(0, Required, &[], 0),
        part(1, Startup, &[0], 1),
        part(2, Optional, &[1], 2),
    ];
    parts[1].checks.startup_deadline = Some(2 * SECOND);
    World::new("a chain", parts)
}

pub(super) fn fork() -> World {
    let parts = vec![
        part(0, Required, &[], 0),
        part(1, Required, &[0], 1),
        part(2, Optional, &[0], 2),
    ];
    World::new("two that need one", parts)
}

pub(super) fn join() -> World {
    let parts = vec![
        part(0, Required, &[], 0),
        part(1, Optional, &[], 1),
        part(2, Optional, &[0, 1], 2),
    ];
    World::new("one that needs two", parts)
}

/// The need of a required one moves, and an optional one becomes required.
pub(super) fn reload() -> World {
    let before = vec![part(0, Required, &[], 0), part(1, Optional, &[], 1)];
    let after = vec![part(0, Required, &[], 2), part(1, Required, &[0], 1)];
    reloads("a reload", before, after)
}

/// The same, and one that stood on the one stands on the other.
pub(super) fn reload_of_three() -> World {
    let before = vec![
        part(0, Required, &[], 0),
        part(1, Optional, &[], 1),
        part(2, Optional, &[0], 3),
    ];
    let after = vec![
        part(0, Required, &[], 2),
        part(1, Required, &[0], 1),
        part(2, Optional, &[1], 3),
    ];
    reloads("a reload of three", before, after)
}

fn reloads(name: &'static str, before: Vec<Part>, mut after: Vec<Part>) -> World {
    for part in &mut after {
        part.checks.startup_deadline = Some(2 * SECOND);
    }
    World::new(name, before).with_reload(after)
}
