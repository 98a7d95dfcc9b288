//! The routes of the API listener.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::exchange::Exchange;
use super::front::Context;
use super::health::VERSION;
use super::{error, readiness};

mod docs;

mod documents;

pub use documents::openapi;

/// Takes the routes under `/api/v1`, without that prefix. They stand behind the
/// door of [`readiness::guard`]; an unknown path among them is 404.
pub(super) fn router(context: &Context, v1: Router) -> Router {
    let v1 = v1.fallback(unknown_path);
    let paths = Router::new()
        .route("/", get(welcome).with_state(context.clone()))
        .nest("/api/v1", readiness::guard(v1, context.readiness()))
        .merge(docs::router().with_state(context.clone()));
    with_defaults(with_cache_statistics(paths, context))
}

async fn welcome(State(context): State<Context>) -> Json<Value> {
    Json(json!({
        "message": context.settings.load().title,
        "version": VERSION,
        "docs": "/docs",
        "health": "/health",
    }))
}

async fn unknown_path() -> Response {
    error::not_found()
}

/// `/health/cache` asks Redis, so it goes the way of requests.
pub(super) fn with_cache_statistics(router: Router, context: &Context) -> Router {
    let statistics = context.cache_statistics.clone();
    let ask = move || {
        let answer = statistics();
        async move { ([("cache-control", "no-store")], Json(answer.await)) }
    };
    router.route("/health/cache", get(ask))
}

/// What every router of ours does: JSON errors, limits of our own, and the
/// matched pattern noted for logs and metrics.
pub(super) fn with_defaults(router: Router) -> Router {
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(async || error::method_not_allowed(None))
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::map_response(error::in_our_form))
        .layer(middleware::from_fn(note_route))
}

async fn note_route(request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    if let (Some(exchange), Some(pattern)) = (
        extensions.get::<Arc<Exchange>>(),
        extensions.get::<MatchedPath>(),
    ) {
        // Nested routers come here again, with the same pattern.
        let _ = exchange.route.set(pattern.as_str().to_owned());
    }
    next.run(request).await
}
