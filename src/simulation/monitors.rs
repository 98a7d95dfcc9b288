//! Monitors and the servers they watch, as the core sees them: they take
//! orders, and some time later they report, or break, or stay silent.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::history::Mode;
use crate::dependency::{ErrorKind, Failure, Passed};
use crate::supervisor::inside::{Checked, NodeId, Order, overslept};

/// A monitor that runs.
#[derive(Debug, Clone)]
pub(super) struct Monitor {
    pub(super) generation: u32,
    /// The number in its dependency's name.
    pub(super) number: usize,
    pub(super) port: u16,
    pub(super) has_session: bool,
    pub(super) check: Option<Check>,
    /// It answers nothing any more, and does not end when it is told to.
    pub(super) wedged: bool,
    /// It panicked; the supervisor may not know yet.
    pub(super) ended: bool,
}

/// A check that runs.
#[derive(Debug, Clone)]
pub(super) struct Check {
    began: Instant,
    /// The deadline that it may run into.
    limit: Duration,
    result: Result<(), ErrorKind>,
    connected: bool,
    pub(super) ends_at: Instant,
}

impl Monitor {
    pub(super) fn new(number: usize, port: u16, generation: u32) -> Self {
        Self {
            generation,
            number,
            port,
            has_session: false,
            check: None,
            wedged: false,
            ended: false,
        }
    }

    /// Takes an order, against a server in `mode`.
    pub(super) fn begin(&mut self, order: Order, mode: Mode, now: Instant) {
        let fresh = !self.has_session || order.fresh;
        let limit = if fresh {
            order.fresh_timeout()
        } else {
            order.timeout
        };
        let millisecond = Duration::from_millis(1);
        let (result, after) = match mode {
            Mode::Up(latency) if latency < limit => (Ok(()), latency),
            Mode::Full if self.has_session => (Ok(()), millisecond),
            Mode::Full => (Err(ErrorKind::NotReady), millisecond),
            // The old session was closed at the last moment, and the new one
            // never answers.
            Mode::Fails(ErrorKind::Timeout) if !fresh => (Err(ErrorKind::Timeout), order.longest()),
            Mode::Up(_) | Mode::Hangs | Mode::Fails(ErrorKind::Timeout) => {
                (Err(ErrorKind::Timeout), limit)
            }
            Mode::Fails(kind) => (Err(kind), millisecond),
        };
        self.check = Some(Check {
            began: now,
            limit: limit.max(after),
            result,
            connected: fresh,
            ends_at: now + after,
        });
    }

    /// The server dies under a check.
    pub(super) fn break_off(&mut self, now: Instant) {
        self.has_session = false;
        if let Some(check) = &mut self.check {
            check.result = Err(ErrorKind::Refused);
            check.ends_at = now;
        }
    }

    /// The check is over; whoever looks late sees its deadline late.
    pub(super) fn end(&mut self, now: Instant) -> Option<Checked> {
        let check = self.check.take()?;
        self.has_session = check.result.is_ok();
        let took = now - check.began;
        let result = check
            .result
            .map(|()| Passed {
                latency: took,
                note: None,
            })
            .map_err(|kind| Failure::new(kind, "simulated"));
        let late = overslept(result.as_ref().err(), took, check.limit);
        Some(Checked {
            took,
            connected: check.connected && result.is_ok(),
            ..Checked::of(result, late)
        })
    }
}

/// How each server behaves; one that nobody spoke of is up.
#[derive(Debug, Default)]
pub(super) struct Servers(BTreeMap<u16, Mode>);

impl Servers {
    pub(super) fn mode(&self, port: u16) -> Mode {
        let up = Mode::Up(Duration::from_millis(1));
        self.0.get(&port).copied().unwrap_or(up)
    }

    pub(super) fn set(&mut self, port: u16, mode: Mode) {
        self.0.insert(port, mode);
    }

    pub(super) fn all_up(&mut self) {
        self.0.clear();
    }
}

/// The monitors by their nodes.
pub(super) type Monitors = BTreeMap<NodeId, Monitor>;
