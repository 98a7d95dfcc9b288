//! The daemon's own task, as far as it decides: it opens the gate, begins
//! reloads one at a time, and leaves.

use std::time::Duration;

use tokio::time::Instant;

use super::history::{Change, History, Part, plan};
use crate::gate::{Decision, Gate, decide};
use crate::health::Published;
use crate::shutdown::{self, Phase, PhaseReader};
use crate::signals::Signal;
use crate::supervisor::inside::Input;

/// Everything behind the requests in flight, each part at its bound.
const CLOSING: Duration = Duration::from_secs(10);

pub(super) struct Daemon {
    gate: Gate,
    pub(super) phase: PhaseReader,
    /// How slow its task is.
    pub(super) lag: Duration,
    exits_on_loss: bool,
    drain_delay: Duration,
    drain_timeout: Duration,
    /// What the configuration file says now.
    file: Vec<Part>,
    reload_asked: bool,
    /// What the reload that runs is to bring.
    reloading: Option<Vec<Part>>,
    /// When the requests that are in flight end.
    requests: Vec<Instant>,
    signal: Option<Signal>,
    supervisor_ended: bool,
    pub(super) leaving: Option<Leaving>,
}

/// A way out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    /// When sessions may be closed.
    pub(super) requests_end: Instant,
    /// When everything has ended.
    pub(super) bound: Instant,
}

/// What the daemon does next.
#[derive(Debug)]
pub(super) enum Act {
    Opened,
    Tell(Input),
    /// Close all sessions, once requests have ended.
    Leave(Leaving),
    /// A second signal: no more ceremonies.
    Die,
}

impl Daemon {
    pub(super) fn new(history: &History) -> Self {
        let (writer, phase) = shutdown::phase();
        Self {
            gate: Gate::new(writer),
            phase,
            lag: Duration::ZERO,
            exits_on_loss: history.exits_on_loss,
            drain_delay: history.drain_delay,
            drain_timeout: history.drain_timeout,
            file: history.parts.clone(),
            reload_asked: false,
            reloading: None,
            requests: Vec::new(),
            signal: None,
            supervisor_ended: false,
            leaving: None,
        }
    }

    /// SIGHUP. A configuration that would be refused is mended at once.
    pub(super) fn hangup(&mut self, changes: &[Change]) {
        let mut file = self.file.clone();
        for change in changes {
            change.apply(&mut file);
        }
        if plan(&file).is_some() {
            self.file = file;
        }
        self.reload_asked = true;
    }

    pub(super) fn stop(&mut self, signal: Signal) -> Option<Act> {
        if self.leaving.is_some() || self.signal.is_some() {
            return Some(Act::Die);
        }
        self.signal = Some(signal);
        None
    }

    pub(super) fn request(&mut self, ends: Instant) {
        if self.phase.get() == Phase::Serving {
            self.requests.push(ends);
        }
    }

    pub(super) fn supervisor_ended(&mut self) {
        self.supervisor_ended = true;
    }

    pub(super) fn reload_ended(&mut self) {
        self.reloading = None;
    }

    /// What each reload that has not ended is to bring.
    pub(super) fn reloads_to_come(&self) -> impl Iterator<Item = &Vec<Part>> {
        let asked = self.reload_asked.then_some(&self.file);
        self.reloading.iter().chain(asked)
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.reloads_to_come().next().is_none() && self.signal.is_none() && !self.supervisor_ended
    }

    /// One turn of its task.
    pub(super) fn turn(&mut self, published: &Published, now: Instant) -> Vec<Act> {
        if self.leaving.is_some() {
            return Vec::new();
        }
        if let Some(signal) = self.signal {
            return vec![self.leave(signal == Signal::Terminate, now)];
        }
        if self.supervisor_ended {
            return vec![self.leave(false, now)];
        }
        let mut acts = Vec::new();
        let phase = self.gate.phase();
        if phase == Phase::Starting && decide(phase, published.gate_opens) == Decision::Open {
            self.gate.opened();
            acts.push(Act::Opened);
        } else if phase == Phase::Serving && self.exits_on_loss && !published.verdict.required_up {
            return vec![self.leave(true, now)];
        }
        if self.gate.phase() == Phase::Serving && self.reload_asked && self.reloading.is_none() {
            self.reload_asked = false;
            if let Some((dependencies, graph)) = plan(&self.file) {
                self.reloading = Some(self.file.clone());
                acts.push(Act::Tell(Input::Reload {
                    dependencies,
                    graph,
                }));
            }
        }
        acts
    }

    fn leave(&mut self, delays: bool, now: Instant) -> Act {
        let served = self.gate.phase() == Phase::Serving;
        self.gate.drain();
        let delay = if served && delays {
            self.drain_delay
        } else {
            Duration::ZERO
        };
        let limit = if served {
            self.drain_timeout
        } else {
            Duration::ZERO
        };
        let accepts_until = now + delay;
        let last = self.requests.iter().copied().max();
        let ended = last.unwrap_or(accepts_until).max(accepts_until);
        let leaving = Leaving {
            requests_end: ended.min(accepts_until + limit),
            bound: accepts_until + limit + CLOSING,
        };
        self.leaving = Some(leaving);
        Act::Leave(leaving)
    }

    /// The process stood still.
    pub(super) fn postpone(&mut self, by: Duration) {
        if let Some(leaving) = &mut self.leaving {
            leaving.bound += by;
        }
    }

    pub(super) fn stopped(&mut self) {
        self.gate.stopped();
    }
}
