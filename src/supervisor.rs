//! The one owner of the dependencies' state: it runs the monitors, listens to
//! them, and publishes what it knows.
//!
//! One `select!` makes a closed `Turn`, one function handles it; what is to
//! be done about it is decided in `core`, without I/O.

use std::collections::HashMap;
use std::panic;
use std::sync::Arc;

use futures_channel::mpsc::{UnboundedSender, unbounded};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::{Dependency, Target};
use crate::dependency::Name;
use crate::graph::Graph;
use crate::health::{self, Render, Roll, Snapshot};
use crate::probe::{self, Probe};

mod handle;

mod pulse;

mod gap;

mod core;

mod decision;

mod fatal;

mod agenda;

mod node;

mod pace;

mod clock;

mod restarts;

mod retired;

mod closing;

mod narrator;

mod reload;

mod monitor;

mod log;

mod meters;

pub use self::fatal::Fatal;
pub use self::handle::Handle;
pub use self::meters::Meters;
pub use self::pulse::Pulse;
pub use self::reload::{Applied, Refused};

use self::closing::{Close, Closing};
use self::core::{Core, Now};
use self::decision::{Input, Line, Output};
use self::gap::Turns;
use self::handle::Command;
use self::monitor::{Monitor, Order, Report, Sent};
use self::node::NodeId;
use self::retired::Retired;

/// Makes the probe of a dependency; tests put their own in its place.
pub type ProbeFactory = Arc<dyn Fn(&Name, &Target) -> Arc<dyn Probe> + Send + Sync>;

/// Runs the monitors.
pub struct Supervisor {
    core: Core,
    health: health::Writer,
    probes: ProbeFactory,
    commands: mpsc::Receiver<Command>,
    reports: mpsc::UnboundedReceiver<Sent>,
    reporting: mpsc::UnboundedSender<Sent>,
    monitors: JoinSet<()>,
    running: HashMap<NodeId, Running>,
    tasks: HashMap<Id, (NodeId, u32)>,
    retired: Retired,
    reload: Option<oneshot::Sender<Result<Applied, Refused>>>,
    pulse: Pulse,
    meters: Meters,
    turns: Turns,
}

struct Running {
    /// Of those that take little room: each monitor has one, which holds an
    /// order at most.
    orders: UnboundedSender<Order>,
    task: AbortHandle,
}

/// What woke the supervisor.
enum Turn {
    Stop,
    Command(Command),
    Report(Sent),
    MonitorEnded(Id, String),
    Time,
}

impl Supervisor {
    /// A supervisor for `dependencies`, whose graph is `graph`. Nothing runs
    /// before [`Supervisor::run`].
    pub fn new(
        dependencies: Vec<Dependency>,
        graph: &Graph,
        probes: ProbeFactory,
        render: Render,
    ) -> (Self, Handle, health::Reader) {
        let mut core = Core::new(dependencies, graph, rand::random(), now());
        let empty = || Snapshot {
            sequence: 0,
            dependencies: Roll::default(),
            timeline: Arc::default(),
        };
        let first = core.snapshot().unwrap_or_else(empty);
        let (health, reader) = health::channel(first, render);
        let (reporting, reports) = mpsc::unbounded_channel();
        let (pulse, meters) = (Pulse::new(), Meters::new());
        let (handle, commands) = Handle::new(pulse.clone(), meters.clone());
        let supervisor = Self {
            core,
            health,
            probes,
            commands,
            reports,
            reporting,
            monitors: JoinSet::new(),
            running: HashMap::new(),
            tasks: HashMap::new(),
            retired: Retired::none(),
            reload: None,
            pulse,
            meters,
            turns: Turns::begin(Instant::now()),
        };
        (supervisor, handle, reader)
    }

    /// Watches until `stop` is cancelled, then closes every session in reverse
    /// start order; or ends with the reason why it cannot go on.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Fatal> {
        let ended = self.watch(&stop).await;
        self.close().await;
        ended
    }

    async fn watch(&mut self, stop: &CancellationToken) -> Result<(), Fatal> {
        // Start deadlines run since the core was made.
        self.notice_gap()?;
        self.decide(Input::Wake)?;
        loop {
            let turn = self.next_turn(stop).await;
            self.notice_gap()?;
            if matches!(turn, Turn::Stop) {
                return Ok(());
            }
            self.handle(turn)?;
            // What has arrived meanwhile is taken in before anything is
            // published: a burst makes one snapshot.
            while let Ok(sent) = self.reports.try_recv() {
                self.handle(Turn::Report(sent))?;
            }
            if let Some(snapshot) = self.core.snapshot() {
                self.health.publish(snapshot);
            }
        }
    }

    async fn next_turn(&mut self, stop: &CancellationToken) -> Turn {
        let latest = self.turns.due();
        let wake = self.core.wakes_at().map_or(latest, |at| at.min(latest));
        tokio::select! {
            biased;
            () = stop.cancelled() => Turn::Stop,
            Some(ended) = self.monitors.join_next_with_id(), if !self.monitors.is_empty() => match ended {
                Ok((id, ())) => Turn::MonitorEnded(id, "it ended by itself".to_owned()),
                Err(error) => Turn::MonitorEnded(error.id(), why(error)),
            },
            Some(sent) = self.reports.recv() => Turn::Report(sent),
            Some(command) = self.commands.recv() => Turn::Command(command),
            () = tokio::time::sleep_until(wake) => Turn::Time,
        }
    }

    fn handle(&mut self, turn: Turn) -> Result<(), Fatal> {
        let input = match turn {
            Turn::Stop | Turn::Time => Input::Wake,
            Turn::Report(sent) => {
                self.measure(&sent);
                Input::Report {
                    node: sent.node,
                    generation: sent.generation,
                    report: sent.report,
                }
            }
            Turn::MonitorEnded(id, reason) => {
                if let Some((node, generation)) = self.tasks.remove(&id) {
                    Input::MonitorEnded {
                        node,
                        generation,
                        reason,
                    }
                } else {
                    self.retired.ended(&id);
                    Input::Wake
                }
            }
            Turn::Command(Command::Look(name, urgency)) => Input::Look { name, urgency },
            Turn::Command(Command::Reload(dependencies, graph, reply)) => {
                self.reload = Some(reply);
                Input::Reload {
                    dependencies,
                    graph,
                }
            }
        };
        self.decide(input)
    }

    /// A late turn means that everything stood still, not only dependencies.
    fn notice_gap(&mut self) -> Result<(), Fatal> {
        let turned = Instant::now();
        let gap = self.turns.turn(turned);
        if gap.is_some() {
            self.retired.forgive(turned);
        }
        self.pulse.beat(self.retired.any_stuck(turned));
        let Some(gap) = gap else { return Ok(()) };
        log::clock_gap(gap.late);
        self.decide(Input::ClockGap(gap.lost))
    }

    fn decide(&mut self, input: Input) -> Result<(), Fatal> {
        for output in self.core.handle(input, now()) {
            match output {
                Output::Spawn {
                    node,
                    generation,
                    name,
                    target,
                } => self.spawn(node, generation, (self.probes)(&name, &target)),
                Output::Check { node, order } => {
                    if let Some(running) = self.running.get(&node) {
                        // A monitor that is gone is noticed by its end.
                        let _ = running.orders.unbounded_send(order);
                    }
                }
                Output::Retire(node) => {
                    if let Some(running) = self.running.remove(&node) {
                        let task = running.task;
                        // One that has ended already tells of it only once.
                        if self.tasks.remove(&task.id()).is_some() {
                            self.retired.told(task.id(), Instant::now());
                        }
                        task.abort();
                    }
                }
                Output::Count(name, kind) => self.meters.transition(&name, kind),
                Output::Tell(line) => {
                    if let Line::ProbeRestarted { dependency, .. } = &line {
                        self.meters.restart(dependency);
                    }
                    log::tell(&line);
                }
                Output::Reloaded(outcome) => {
                    if let Some(reply) = self.reload.take() {
                        let _ = reply.send(outcome);
                    }
                }
                Output::Fatal(fatal) => {
                    if let Some(snapshot) = self.core.snapshot() {
                        self.health.publish(snapshot);
                    }
                    return Err(fatal);
                }
            }
        }
        Ok(())
    }

    fn spawn(&mut self, node: NodeId, generation: u32, probe: Arc<dyn Probe>) {
        let (orders, ordered) = unbounded();
        let monitor = Monitor {
            node,
            generation,
            probe,
            reports: self.reporting.clone(),
        };
        let task = self.monitors.spawn(monitor.run(ordered));
        self.tasks.insert(task.id(), (node, generation));
        self.running.insert(node, Running { orders, task });
    }

    fn measure(&self, sent: &Sent) {
        if let Report::Checked(checked) = &sent.report
            && let Some(name) = self.core.live_name(sent.node)
        {
            self.meters.check(name, checked);
        }
    }

    /// Closes every session, dependents before what they need.
    async fn close(&mut self) {
        let mut closing = Closing::begin(self.core.stop_order(), Instant::now());
        while let Some(Close { node, name, until }) = closing.next(Instant::now()) {
            let Some(Running { orders, task }) = self.running.remove(&node) else {
                continue;
            };
            // Without orders a monitor ends; one in the middle of a check is
            // not waited for.
            drop(orders);
            // Another one may end first, and is then not waited for later.
            let ended =
                async { while !task.is_finished() && self.monitors.join_next().await.is_some() {} };
            if timeout_at(until, ended).await.is_err() {
                task.abort();
            }
            log::session_closed(&name);
        }
        // One that was retired and holds its thread is not waited for either.
        self.monitors.abort_all();
        let rest = async { while self.monitors.join_next().await.is_some() {} };
        let _ = timeout_at(closing.ends_by(), rest).await;
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

/// The probes of the real protocols.
pub fn real_probes() -> ProbeFactory {
    Arc::new(|_, target| probe::for_target(target))
}

fn now() -> Now {
    Now {
        instant: Instant::now(),
        wall: Timestamp::now(),
    }
}

/// A task's panic is not a task's error: it says what happened.
fn why(error: JoinError) -> String {
    let Ok(payload) = error.try_into_panic() else {
        return "it was cancelled".to_owned();
    };
    let message = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned());
    // A payload may panic again when it is dropped; that is caught here.
    let _ = panic::catch_unwind(panic::AssertUnwindSafe(|| drop(payload)));
    message.map_or_else(
        || "it panicked".to_owned(),
        |message| format!("it panicked: {message}"),
    )
}

/// What decides, for a simulation that puts itself in the place of the rest.
#[cfg(test)]
pub(crate) mod inside {
    pub(crate) use super::closing::{Close, Closing};
    pub(crate) use super::core::{Core, Now};
    pub(crate) use super::decision::{Input, Line, Output, Urgency};
    pub(crate) use super::gap::Turns;
    pub(crate) use super::monitor::{Checked, Order, Report, overslept};
    pub(crate) use super::node::{Node, NodeId, Work};
    pub(crate) use super::reload::Staged;
}

#[cfg(test)]
mod tests;
