//! What a response says of the rate of requests.

use axum::Json;
use axum::http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::limits::Decision;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Writes down where a client stands.
pub(super) fn tell(decision: &Decision, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(decision.limit));
    headers.insert(REMAINING, HeaderValue::from(decision.remaining));
    headers.insert(RESET, HeaderValue::from(decision.reset_seconds));
}

/// 429.
pub(super) fn exceeded(decision: &Decision) -> Response {
    let retry_after = decision.retry_after.unwrap_or(1);
    let body = json!({
        "detail": "Rate limit exceeded",
        "retry_after": retry_after,
        "limit": decision.limit,
        "window": Decision::WINDOW_SECONDS,
    });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    tell(decision, headers);
    response
}
