//! Errors as clients know them: `{"detail": "…"}`.

use axum::body::Body;
use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::correlation;

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A response whose body is `{"detail": detail}`.
pub fn response(status: StatusCode, detail: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(document(detail)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// 503 with `Retry-After`: 1 to 5 seconds, by chance, so that clients do not
/// come back all at once.
pub fn unavailable(detail: &str) -> Response<Body> {
    let mut response = response(StatusCode::SERVICE_UNAVAILABLE, detail);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(retry_after()));
    response
}

pub fn not_found() -> Response<Body> {
    response(StatusCode::NOT_FOUND, "Not Found")
}

/// 405; `allow` lists the methods that are, when the router does not.
pub fn method_not_allowed(allow: Option<&'static str>) -> Response<Body> {
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    if let Some(allow) = allow {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allow));
    }
    response
}

/// An HTTP/1.1 response as bytes, for a connection without hyper. It ends the
/// connection.
pub(super) fn raw(status: StatusCode, detail: &str) -> Bytes {
    use std::fmt::Write;

    let body = document(detail);
    let mut response = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{}: {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len(),
        correlation::HEADER,
        uuid::Uuid::new_v4(),
    );
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // Writing to a String cannot fail.
        let _ = write!(response, "retry-after: {}\r\n", retry_after());
    }
    response.push_str("\r\n");
    response.push_str(&body);
    response.into()
}

fn retry_after() -> u16 {
    rand::random_range(1..=5)
}

fn document(detail: &str) -> String {
    json!({ "detail": detail }).to_string()
}
