//! The routes of the admin listener.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use prometheus_client::encoding::prometheus_text;

use super::api::{with_cache_statistics, with_defaults};
use super::error;
use super::front::Context;
use super::health::HealthEndpoint;
use stream::Pages;

mod page;

mod stream;

/// What became of a request to check a dependency now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckNow {
    Accepted,
    /// No dependency has that name.
    Unknown,
    /// It is disabled or has no address.
    NotWatched,
}

/// What an operator can ask for.
#[derive(Clone)]
pub struct AdminActions {
    /// Renders every metric as Prometheus text.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Asks the supervisor to check a dependency now.
    pub check: Arc<dyn Fn(&str) -> CheckNow + Send + Sync>,
}

impl fmt::Debug for AdminActions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminActions").finish_non_exhaustive()
    }
}

pub(super) fn router(
    context: &Context,
    health: Arc<HealthEndpoint>,
    actions: AdminActions,
) -> Router {
    let router = Router::new()
        .route("/", get(page::page))
        .route("/metrics", get(metrics).with_state(actions.clone()))
        .route("/status", get(status).with_state(health.clone()))
        .route(
            "/status/stream",
            get(stream::listen).with_state(Pages::new(health)),
        )
        .route("/check/{name}", post(check).with_state(actions));
    with_defaults(with_cache_statistics(router, context))
}

async fn metrics(State(actions): State<AdminActions>) -> impl IntoResponse {
    (
        [(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)],
        (actions.metrics)(),
    )
}

async fn status(State(health): State<Arc<HealthEndpoint>>) -> Response {
    health.status_document().map(Body::from)
}

async fn check(State(actions): State<AdminActions>, Path(name): Path<String>) -> Response {
    match (actions.check)(&name) {
        CheckNow::Accepted => error::response(StatusCode::ACCEPTED, "check requested"),
        CheckNow::Unknown => error::response(
            StatusCode::NOT_FOUND,
            "there is no dependency with that name",
        ),
        CheckNow::NotWatched => error::response(
            StatusCode::CONFLICT,
            "the dependency is disabled or not configured",
        ),
    }
}
