//! The composition root: the only module that knows everybody, and the one
//! place that orders start and stop.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Loaded, OnRequiredLoss, Sources};
use crate::dependency::{DATABASE, Name};
use crate::exit::Exit;
use crate::gate::Gate;
use crate::graph::Graph;
use crate::health::Reader;
use crate::shutdown::{self, Phase};
use crate::signals::{Signal, Signals};
use crate::store::schema::{Incompatible, Keeper, Notice};
use crate::supervisor::{self, Fatal, ProbeFactory, Supervisor};
use crate::telemetry::Telemetry;

mod plan;

mod clients;

mod listeners;

mod liveness;

mod reload;

mod schema;

mod leave;

mod loss;

mod meters;

mod lines;

mod manager;

pub use plan::{plan, plan_aside};

use clients::Clients;
use listeners::Listeners;
use manager::{Manager, Stage};
use reload::Reloads;

/// What the daemon starts from.
pub struct Start<'a> {
    pub loaded: Loaded,
    pub graph: Graph,
    pub sources: Sources,
    /// In place of the real ones.
    pub probes: Option<ProbeFactory>,
    pub telemetry: &'a Telemetry,
}

impl fmt::Debug for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("loaded", &self.loaded)
            .finish_non_exhaustive()
    }
}

/// Why the daemon ended otherwise than by a clean stop.
#[derive(Debug, thiserror::Error)]
pub enum End {
    #[error("{0}")]
    Fatal(#[from] Fatal),
    #[error("cannot go on: the supervisor broke: {0}")]
    SupervisorBroke(String),
    #[error("cannot go on without {0}, because lifecycle.on_required_loss is \"exit\"")]
    RequiredLost(String),
    #[error("cannot go on: {0}")]
    IncompatibleSchema(Incompatible),
    #[error("{0}")]
    OperatingSystem(String),
    #[error("{0}")]
    Watchdog(#[from] manager::TooShort),
    #[error("stopped at once by a second {}", .0.as_str())]
    SecondSignal(Signal),
}

impl End {
    pub fn exit(&self) -> Exit {
        match self {
            Self::Fatal(Fatal::StartupDeadline { .. }) | Self::RequiredLost(_) => Exit::Unavailable,
            Self::Fatal(Fatal::MonitorKeepsBreaking { .. }) | Self::SupervisorBroke(_) => {
                Exit::Internal
            }
            Self::IncompatibleSchema(_) | Self::Watchdog(_) => Exit::Configuration,
            Self::OperatingSystem(_) => Exit::OperatingSystem,
            Self::SecondSignal(signal) => Exit::Signal(signal.number()),
        }
    }
}

/// Why the daemon stops.
#[derive(Debug)]
enum Reason {
    Signal(Signal),
    End(End),
}

/// The daemon while it lives.
struct Daemon<'a> {
    config: Arc<ArcSwap<Config>>,
    began: Instant,
    /// Whether the gate was open when shutdown began.
    served: bool,
    gate: Gate,
    manager: Manager,
    health: Reader,
    /// Redis for requests.
    listeners: Listeners,
    supervisor: supervisor::Handle,
    stop_supervisor: CancellationToken,
    supervising: JoinSet<Result<(), Fatal>>,
    reloads: Reloads<'a>,
    clients: Clients,
    schema: Keeper,
    schema_notices: mpsc::UnboundedReceiver<Notice>,
}

/// What the daemon waits for while it lives.
enum Event {
    Signal(Signal),
    MayOpen,
    RequiredLost(String),
    SupervisorEnded(End),
    Schema(Notice),
    Reloaded(Box<reload::Outcome>),
}

/// Runs the daemon to its end.
pub async fn run(start: Start<'_>, mut signals: Signals) -> Result<(), End> {
    let started = tokio::select! {
        biased;
        started = Daemon::start(start) => started,
        // The name of an address may take long to resolve.
        _ = signals.next_stop() => return Ok(()),
    };
    let mut daemon = match started {
        Ok(daemon) => daemon,
        Err(end) => {
            lines::fatal(&end.to_string());
            manager::last_words(&end.to_string()).await;
            return Err(end);
        }
    };
    let reason = daemon.live(&mut signals).await;
    let stopping = match &reason {
        Reason::Signal(signal) => format!("stopping: {}", signal.as_str()),
        Reason::End(_) => "stopping: it cannot go on".to_owned(),
    };
    daemon.announce_stop(&reason, &stopping);
    let (supervisor, health) = (daemon.supervisor.clone(), daemon.health.clone());
    // A second signal ends the process wherever it is. The first one has still
    // to come when the daemon stops of its own accord.
    let cut_short = async {
        let mut is_second = matches!(reason, Reason::Signal(_));
        loop {
            match signals.next().await {
                signal if signal.stops() && is_second => return signal,
                signal if signal.stops() => is_second = true,
                Signal::User1 => check_and_tell(&supervisor, &health, Phase::Draining),
                // A configuration that is read now is for nobody.
                _ => {}
            }
        }
    };
    tokio::select! {
        biased;
        signal = cut_short => {
            lines::second_signal(signal);
            Err(End::SecondSignal(signal))
        }
        () = daemon.leave(&reason) => match reason {
            Reason::Signal(_) => Ok(()),
            Reason::End(end) => Err(end),
        }
    }
}

impl<'a> Daemon<'a> {
    /// Listeners, then the supervisor: what fails shows before anything is
    /// promised.
    async fn start(start: Start<'a>) -> Result<Self, End> {
        let Start {
            loaded,
            graph,
            sources,
            probes,
            telemetry,
        } = start;
        let began = Instant::now();
        let watchdog = manager::watchdog()?;
        let config = Arc::new(ArcSwap::from_pointee(loaded.config.clone()));
        let (phase_writer, phase) = shutdown::phase();
        let coming = schema::Coming::default();
        let plans = schema::plans(config.clone(), coming.clone());
        let (schema, schema_notices) = Keeper::new(plans);
        let (supervisor, handle, health) = Supervisor::new(
            loaded.config.dependencies.clone(),
            &graph,
            probes.unwrap_or_else(|| schema::probes(schema.clone())),
            crate::http::health::render,
        );
        let clients = Clients::new(&loaded.config, &health, &handle);
        let listeners = Listeners::open(listeners::Parts {
            config: &config,
            health: &health,
            phase: &phase,
            supervisor: &handle,
            clients: &clients,
            telemetry,
            began,
        })
        .await
        .map_err(End::OperatingSystem)?;
        let manager = Manager::begin(watchdog, health.clone(), handle.pulse());
        lines::startup_begin(&loaded, listeners.addresses());
        clients.begin(&loaded.config);

        let stop_supervisor = CancellationToken::new();
        let mut supervising = JoinSet::new();
        supervising.spawn(supervisor.run(stop_supervisor.clone()));
        Ok(Self {
            reloads: Reloads::new(sources, config.load_full(), loaded, coming, telemetry),
            config,
            began,
            served: false,
            gate: Gate::new(phase_writer),
            manager,
            clients,
            health,
            listeners,
            supervisor: handle,
            stop_supervisor,
            supervising,
            schema,
            schema_notices,
        })
    }

    /// Serves until there is a reason to stop.
    async fn live(&mut self, signals: &mut Signals) -> Reason {
        loop {
            match self.next_event(signals).await {
                Event::Signal(signal) if signal.stops() => return Reason::Signal(signal),
                Event::Signal(Signal::User1) => {
                    check_and_tell(&self.supervisor, &self.health, self.gate.phase());
                }
                Event::Signal(_) => {
                    self.reloads.ask();
                    self.begin_reload();
                }
                Event::MayOpen => {
                    if let Err(end) = self.open() {
                        return Reason::End(end);
                    }
                    self.begin_reload();
                }
                Event::RequiredLost(names) => return Reason::End(End::RequiredLost(names)),
                Event::SupervisorEnded(end) => return Reason::End(end),
                Event::Schema(Notice::Settled) => self.supervisor.check_now(Some(database())),
                Event::Schema(Notice::Incompatible(reason)) => {
                    return Reason::End(End::IncompatibleSchema(reason));
                }
                Event::Reloaded(outcome) => {
                    if let Some(config) = self.reloads.finish(*outcome) {
                        self.listeners.reconfigure(&config);
                        self.clients.reconfigure(&config);
                        self.config.store(Arc::new(config));
                    }
                    self.manager.enter(Stage::Serving);
                    self.begin_reload();
                }
            }
        }
    }

    async fn next_event(&mut self, signals: &mut Signals) -> Event {
        let starting = self.gate.phase() == Phase::Starting;
        let leaves_on_loss = self.config.load().lifecycle.on_required_loss == OnRequiredLoss::Exit;
        let mut for_gate = self.health.clone();
        let mut for_loss = self.health.clone();
        tokio::select! {
            biased;
            signal = signals.next() => Event::Signal(signal),
            ended = self.supervising.join_next() => Event::SupervisorEnded(supervisor_end(ended)),
            Some(notice) = self.schema_notices.recv() => Event::Schema(notice),
            Ok(_) = self.gate.may_open(&mut for_gate), if starting => Event::MayOpen,
            Ok(lost) = loss::of_required(&mut for_loss), if !starting && leaves_on_loss => Event::RequiredLost(lost),
            Some(outcome) = self.reloads.ended() => Event::Reloaded(Box::new(outcome)),
        }
    }

    /// Opens the gate: listen first, then say so.
    fn open(&mut self) -> Result<(), End> {
        let listener = self.listeners.listen().map_err(End::OperatingSystem)?;
        // Nobody may be told `starting` over a connection that was accepted.
        self.gate.opened();
        self.listeners.serve(listener);
        self.manager.enter(Stage::Serving);
        lines::opened(
            self.listeners.addresses(),
            self.began.elapsed(),
            &self.health.current(),
        );
        Ok(())
    }

    /// Begins a reload that was asked for, once the gate has opened and no
    /// other one runs.
    fn begin_reload(&mut self) {
        if self.gate.phase() == Phase::Serving && self.reloads.begin(&self.supervisor) {
            self.manager.enter(Stage::Reloading);
        }
    }
}

fn database() -> Name {
    DATABASE.parse().expect("it is a legal name")
}

/// A person wants everything checked now, and to know the state.
fn check_and_tell(supervisor: &supervisor::Handle, health: &Reader, phase: Phase) {
    supervisor.check_now(None);
    lines::status_dump(&health.current(), phase);
}

fn supervisor_end(ended: Option<Result<Result<(), Fatal>, tokio::task::JoinError>>) -> End {
    match ended {
        Some(Ok(Err(fatal))) => End::Fatal(fatal),
        Some(Err(error)) => End::SupervisorBroke(error.to_string()),
        Some(Ok(Ok(()))) | None => End::SupervisorBroke("it ended by itself".to_owned()),
    }
}

/// Waits for a task that was told to end, within `limit`.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    timeout(limit, work).await.ok()
}
