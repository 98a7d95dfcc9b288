//! One dependency as the supervisor keeps it: its state machine, its pace, and
//! what its monitor is doing.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::clock::StartClock;
use super::narrator::Narrator;
use super::pace::Pace;
use super::restarts::Restarts;
use crate::config::Dependency;
use crate::dependency::{Name, Policy};
use crate::health::machine::{Machine, Thresholds, Transition};
use crate::health::{DependencyHealth, Status};

/// Identifies a node for as long as the process runs. A reload may put two
/// nodes of one name side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// What the monitor of a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// There is nothing to watch.
    Never,
    /// The monitor waits for orders; `next` is when it gets one. `None` while
    /// something the node needs is not up.
    Idle { next: Option<Instant> },
    /// A check runs; past `overdue_at` the monitor counts as stuck.
    Checking { overdue_at: Instant },
    /// The monitor broke and is replaced then.
    Broken { respawn_at: Instant },
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) config: Dependency,
    pub(crate) machine: Machine,
    pub(crate) needs: Vec<NodeId>,
    pub(crate) work: Work,
    /// Grows with each monitor; reports of an older one are not listened to.
    pub(crate) generation: u32,
    pub(crate) pace: Pace,
    pub(crate) clock: StartClock,
    pub(crate) restarts: Restarts,
    pub(crate) narrator: Narrator,
    /// Whether readiness counts it; a candidate of a reload is not live yet.
    pub(crate) live: bool,
    /// The last transition of a candidate: told once it is live.
    pub(crate) untold: Option<Transition>,
    /// The next check is to be made over a new session, too.
    pub(crate) fresh_wanted: bool,
    /// When a check last ended.
    pub(crate) checked_at: Option<Instant>,
    /// Checks in a row whose deadline was seen too late to mean anything.
    pub(crate) inconclusive: u32,
    /// What readers see of it, made anew when it changes.
    pub(crate) view: Arc<DependencyHealth>,
}

impl Node {
    pub(crate) fn new(config: Dependency, live: bool, now: Timestamp) -> Self {
        let (machine, work) = if config.policy == Policy::Disabled {
            (Machine::inert(Status::Disabled, now), Work::Never)
        } else if config.target.is_none() {
            (Machine::inert(Status::NotConfigured, now), Work::Never)
        } else {
            (Machine::new(now), Work::Idle { next: None })
        };
        let gating = config.policy.gates();
        let deadline = config.checks.startup_deadline.filter(|_| gating);
        let clock = StartClock::new(deadline);
        Self {
            view: Arc::new(view(Configured::of(&config), &config, &machine, &clock)),
            clock,
            config,
            machine,
            needs: Vec::new(),
            work,
            generation: 0,
            pace: Pace::default(),
            restarts: Restarts::default(),
            narrator: Narrator::default(),
            live,
            untold: None,
            fresh_wanted: false,
            checked_at: None,
            inconclusive: 0,
        }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.config.name
    }

    pub(crate) fn status(&self) -> Status {
        self.machine.status()
    }

    /// Whether a dependent may rely on it: what is not watched holds nobody
    /// back.
    pub(crate) fn lets_pass(&self) -> bool {
        !self.status().counts() || self.status().is_up()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.machine.blocked_by().is_some()
    }

    pub(crate) fn thresholds(&self) -> Thresholds {
        Thresholds {
            rise: self.config.checks.rise,
            fall: self.config.checks.fall,
        }
    }

    /// The clock of the start deadline runs while the node is expected to come
    /// up by itself. Answers whether readers see something new.
    pub(crate) fn update_clock(&mut self, gate_opens: bool, now: Instant) -> bool {
        let awaited = self.live
            && !gate_opens
            && self.status().counts()
            && !self.status().is_up()
            && !self.is_blocked();
        let changed = self.clock.set_running(awaited, now);
        if changed {
            self.refresh_view();
        }
        changed
    }

    /// When the supervisor must look at this node next, whatever happens.
    pub(crate) fn wakes_at(&self) -> Option<Instant> {
        let work = match self.work {
            Work::Never => None,
            Work::Idle { next } => next,
            Work::Checking { overdue_at } => Some(overdue_at),
            Work::Broken { respawn_at } => Some(respawn_at),
        };
        [work, self.clock.expires_at()].into_iter().flatten().min()
    }

    /// Does not count time in which the whole process stood still.
    pub(crate) fn skip(&mut self, gap: Duration) {
        self.clock.skip(gap);
        if let Work::Checking { overdue_at } = &mut self.work {
            *overdue_at += gap;
        }
        self.refresh_view();
    }

    /// Takes over new settings; status and session stay.
    pub(crate) fn reconfigure(&mut self, config: Dependency) {
        self.config = config;
        self.make_view(Configured::of(&self.config));
    }

    pub(crate) fn refresh_view(&mut self) {
        self.make_view(Configured::shown(&self.view));
    }

    fn make_view(&mut self, configured: Configured) {
        let view = view(configured, &self.config, &self.machine, &self.clock);
        self.view = Arc::new(view);
    }
}

/// What a view has from the configuration, and shares with the view before.
struct Configured {
    needs: Arc<[Name]>,
    url: Arc<str>,
}

impl Configured {
    fn of(config: &Dependency) -> Self {
        let url = config.target.as_ref().map(ToString::to_string);
        Self {
            needs: config.needs.as_slice().into(),
            url: url.unwrap_or_default().into(),
        }
    }

    fn shown(view: &DependencyHealth) -> Self {
        Self {
            needs: view.needs.clone(),
            url: view.url.clone(),
        }
    }
}

fn view(
    configured: Configured,
    config: &Dependency,
    machine: &Machine,
    clock: &StartClock,
) -> DependencyHealth {
    let Configured { needs, url } = configured;
    let passed = machine.passed();
    DependencyHealth {
        name: config.name.clone(),
        kind: config.kind,
        policy: config.policy,
        needs,
        url,
        status: machine.status(),
        since: machine.since(),
        blocked_by: machine.blocked_by().cloned(),
        initialized: machine.initialized(),
        latency: passed.map(|passed| passed.latency),
        latencies: machine.latencies().clone(),
        note: passed
            .filter(|_| machine.status().is_up())
            .and_then(|passed| passed.note.clone()),
        failure: machine.failure().cloned(),
        failures: machine.failures(),
        attempts: machine.attempts(),
        last_checked: machine.last_checked(),
        start_deadline: clock.deadline(),
    }
}
