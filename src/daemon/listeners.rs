//! The two listeners and everything that their routes are given.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::clients::Clients;
use super::liveness::Liveness;
use super::meters::Meters;
use crate::cache::Statistics;
use crate::config::Config;
use crate::dependency::CACHE;
use crate::health::Reader;
use crate::http::metrics::Metrics;
use crate::http::{
    self, AdminActions, AdminListener, BoundListener, CheckNow, Outcome, Stop, file_limit,
};
use crate::shutdown::PhaseReader;
use crate::supervisor::Handle;
use crate::telemetry::Telemetry;

/// What the listeners are made of.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Arc<ArcSwap<Config>>,
    pub(super) health: &'a Reader,
    pub(super) phase: &'a PhaseReader,
    pub(super) supervisor: &'a Handle,
    pub(super) clients: &'a Clients,
    pub(super) telemetry: &'a Telemetry,
    pub(super) began: Instant,
}

/// Where the daemon is reached, for people.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) api: String,
    pub(super) admin: Option<String>,
}

pub(super) struct Listeners {
    addresses: Addresses,
    settings: http::Settings,
    /// Until the gate opens.
    bound: Option<BoundListener>,
    front: Arc<http::Front>,
    serving: JoinSet<Outcome>,
    stop: Stop,
    drain_deadline: Gauge,
    admin: JoinSet<Outcome>,
    stop_admin: Stop,
}

impl Listeners {
    /// Opens the admin listener and binds the API's address, on which nothing
    /// is accepted yet. An error is what the operating system refused.
    pub(super) async fn open(parts: Parts<'_>) -> Result<Self, String> {
        let config = parts.config.load_full();
        if let Err(too_low) = file_limit::raise(config.api.max_connections) {
            tracing::warn!(
                event = "file_limit_too_low",
                limit = too_low.limit,
                needed = too_low.needed,
                max_connections = too_low.max_connections,
                "{too_low}"
            );
        }
        let mut meters = Meters::new(
            parts.health.clone(),
            parts.phase.clone(),
            parts.telemetry.lost_lines(),
        );
        parts.supervisor.meters().register(meters.registry());
        parts.clients.register_metrics(meters.registry());
        let metrics = Metrics::register(meters.registry());
        let drain_deadline = meters.drain_deadline();

        let settings = Arc::new(ArcSwap::from_pointee(config.api.clone()));
        let context = context(&parts, settings.clone(), metrics);
        let actions = actions(meters, parts.health.clone(), parts.supervisor.clone());
        let refused = |error: http::ListenError| error.to_string();
        let admin_listener = AdminListener::open(&config.admin.listen)
            .await
            .map_err(refused)?;
        let admin_address = admin_listener
            .as_ref()
            .map(|listener| listener.address().to_string());
        let bound = BoundListener::bind(&config.api.listen, "api.listen")
            .await
            .map_err(refused)?;

        let (mut admin, stop_admin) = (JoinSet::new(), Stop::default());
        if let Some(listener) = admin_listener {
            let front = http::Front::admin(&context, actions);
            admin.spawn(http::serve(listener, front, stop_admin.clone()));
        }
        Ok(Self {
            addresses: Addresses {
                api: bound.address().to_string(),
                admin: admin_address,
            },
            settings,
            bound: Some(bound),
            front: http::Front::api(&context, parts.clients.routes()),
            serving: JoinSet::new(),
            stop: Stop::default(),
            drain_deadline,
            admin,
            stop_admin,
        })
    }

    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Lets the kernel accept connections to the API; they wait for
    /// [`Listeners::serve`].
    pub(super) fn listen(&mut self) -> Result<Option<TcpListener>, String> {
        let listen = |bound: BoundListener| bound.listen().map_err(|error| error.to_string());
        self.bound.take().map(listen).transpose()
    }

    /// Serves the API.
    pub(super) fn serve(&mut self, listener: Option<TcpListener>) {
        if let Some(listener) = listener {
            let serving = http::serve(listener, self.front.clone(), self.stop.clone());
            self.serving.spawn(serving);
        }
    }

    /// Takes over settings that need no restart.
    pub(super) fn reconfigure(&self, config: &Config) {
        self.settings.store(Arc::new(config.api.clone()));
    }

    /// Tells whoever reads the metrics that a drain has begun, which takes at
    /// most `limit`.
    pub(super) fn draining(&self, limit: Duration) {
        let until = jiff::Timestamp::now() + limit;
        self.drain_deadline.set(until.as_second());
    }

    /// Takes what waits to be accepted, and nothing after it.
    pub(super) fn stop_accepting(&mut self) {
        self.stop.accepting.cancel();
    }

    /// Ends every request that is still in flight.
    pub(super) fn cut(&mut self) {
        self.stop.cut.cancel();
    }

    /// Waits until the API has no connection left.
    pub(super) async fn ended(&mut self) -> Outcome {
        match self.serving.join_next().await {
            Some(Ok(outcome)) => outcome,
            // It never served, or it broke: nothing is left either way.
            _ => Outcome::default(),
        }
    }

    /// Closes the admin listener, whose connections hold nothing.
    pub(super) async fn close_admin(&mut self) {
        self.stop_admin.cut.cancel();
        self.admin.shutdown().await;
    }
}

fn context(parts: &Parts<'_>, settings: http::Settings, metrics: Metrics) -> http::Context {
    let liveness = Liveness::new(parts.supervisor.pulse());
    let (config, supervisor) = (parts.config.clone(), parts.supervisor.clone());
    let statistics = Arc::new(Statistics::new(
        parts.health.clone(),
        Arc::new(move || config.load().dependency(CACHE).cloned()),
        Arc::new(move |name| supervisor.hint(name)),
    ));
    http::Context {
        settings,
        health: parts.health.clone(),
        phase: parts.phase.clone(),
        liveness: Arc::new(move || liveness.check()),
        cache_statistics: Arc::new(move || {
            let statistics = statistics.clone();
            Box::pin(async move { statistics.read().await })
        }),
        metrics,
        started: parts.began,
    }
}

fn actions(meters: Meters, health: Reader, supervisor: Handle) -> AdminActions {
    AdminActions {
        metrics: Arc::new(move || meters.render()),
        check: Arc::new(move |name| {
            let published = health.current();
            match published.snapshot.dependencies.get(name) {
                None => CheckNow::Unknown,
                Some(dependency) if !dependency.status.counts() => CheckNow::NotWatched,
                Some(dependency) => {
                    supervisor.check_now(Some(dependency.name.clone()));
                    CheckNow::Accepted
                }
            }
        }),
    }
}
