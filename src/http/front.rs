//! What a listener serves: made once, shared by all of its connections.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_http::cors::CorsLayer;

use super::admin::{self, AdminActions};
use super::admission::MAX_ADMIN_CONNECTIONS;
use super::api;
use super::body::wait;
use super::connection::Deadlines;
use super::cors;
use super::health::{CacheStatistics, HealthEndpoint, Liveness};
use super::memory::{self, Pool, Share};
use super::metrics::{Meters, Metrics};
use crate::config;
use crate::health::Reader;
use crate::health::readiness::Readiness;
use crate::shutdown::{Phase, PhaseReader};

/// The settings of the API listener, replaced by a reload. Connections read
/// them when they are accepted, requests when they begin; only the address is
/// read once. The admin listener uses the same times.
pub type Settings = Arc<ArcSwap<config::Api>>;

/// What both listeners are made of.
#[derive(Clone)]
pub struct Context {
    pub settings: Settings,
    pub health: Reader,
    pub phase: PhaseReader,
    /// Liveness never looks at a dependency.
    pub liveness: Liveness,
    pub cache_statistics: CacheStatistics,
    pub metrics: Metrics,
    /// When the process started: the beginning of its uptime.
    pub started: Instant,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context {
    pub fn readiness(&self) -> Readiness {
        Readiness {
            health: self.health.clone(),
            phase: self.phase.clone(),
        }
    }

    fn health_endpoint(&self, tells_all: bool) -> Arc<HealthEndpoint> {
        Arc::new(HealthEndpoint {
            readiness: self.readiness(),
            settings: self.settings.clone(),
            liveness: self.liveness.clone(),
            started: self.started,
            tells_all,
        })
    }
}

/// A listener's routes and limits.
pub struct Front {
    pub(super) health: Arc<HealthEndpoint>,
    pub(super) router: Router,
    /// Only browsers need it, and they only call the API.
    pub(super) cors: Option<CorsLayer>,
    pub(super) meters: Arc<Meters>,
    pub(super) settings: Settings,
    heads: Arc<Pool>,
    bodies: Arc<Pool>,
    pub(super) waiting_bodies: Arc<Semaphore>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Api,
    Admin,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Front {
    pub fn api(context: &Context, v1: Router) -> Arc<Self> {
        Arc::new(Self {
            health: context.health_endpoint(false),
            router: api::router(context, v1),
            cors: Some(cors::layer(context.settings.clone())),
            meters: Arc::new(Meters::new(&context.metrics, "api")),
            settings: context.settings.clone(),
            heads: Arc::default(),
            bodies: Arc::default(),
            waiting_bodies: Arc::new(Semaphore::new(wait::PLACES)),
            kind: Kind::Api,
        })
    }

    pub fn admin(context: &Context, actions: AdminActions) -> Arc<Self> {
        let health = context.health_endpoint(true);
        Arc::new(Self {
            router: admin::router(context, health.clone(), actions),
            health,
            cors: None,
            meters: Arc::new(Meters::new(&context.metrics, "admin")),
            settings: context.settings.clone(),
            heads: Arc::default(),
            bodies: Arc::default(),
            waiting_bodies: Arc::new(Semaphore::new(wait::PLACES)),
            kind: Kind::Admin,
        })
    }

    pub(super) fn max_connections(&self) -> usize {
        match self.kind {
            Kind::Api => self.settings.load().max_connections,
            Kind::Admin => MAX_ADMIN_CONNECTIONS,
        }
    }

    pub(super) fn deadlines(&self) -> Deadlines {
        let settings = self.settings.load();
        Deadlines {
            idle: settings.keep_alive_timeout,
            head: settings.header_timeout,
            write: settings.body_idle_timeout,
        }
    }

    /// What the head of a request may hold.
    pub(super) fn head(&self) -> Share {
        self.heads.share(memory::HEADS)
    }

    /// What the body of a request may hold, `largest` being the most that any
    /// may.
    pub(super) fn body(&self, largest: usize) -> Share {
        let most = largest.saturating_mul(memory::LARGEST_BODIES);
        self.bodies.share(most)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.health.readiness.phase.get() >= Phase::Draining
    }
}
