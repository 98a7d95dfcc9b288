//! The door that says no while requests cannot be served.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::error;
use crate::health::readiness::Readiness;

/// Puts `router` behind the door: while a required dependency is not up, every
/// request to it is answered 503 at once, with a time to come back.
pub fn guard(router: Router, readiness: Readiness) -> Router {
    router.layer(middleware::from_fn_with_state(readiness, turn_away))
}

async fn turn_away(State(readiness): State<Readiness>, request: Request, next: Next) -> Response {
    // While draining, what is accepted is answered, so only the dependencies
    // are asked here.
    let published = readiness.health.current();
    if readiness.phase.gate_opened() && !published.verdict.required_up {
        return error::unavailable("a required dependency is not available");
    }
    drop(published);
    next.run(request).await
}
