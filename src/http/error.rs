//! Errors as clients know them: `{"detail": "…"}`.

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
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

/// The longest words of a library that become a detail, in bytes.
const MAX_DETAIL: usize = 4 * 1024;

/// Gives an error that a library has answered the form of ours, with its own
/// words if it has any.
pub(super) async fn in_our_form(response: Response<Body>) -> Response<Body> {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(CONTENT_TYPE) == Some(&JSON) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = to_bytes(body, MAX_DETAIL).await.unwrap_or_default();
    let detail = match std::str::from_utf8(&said) {
        Ok(words) if !words.is_empty() => words,
        _ => status.canonical_reason().unwrap_or_default(),
    };
    parts.headers.insert(CONTENT_TYPE, JSON);
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document(detail)))
}

/// What hyper answers by itself to bytes that are no request, of which `head`
/// is the beginning, in the form of ours.
pub(super) fn refusal(head: &[u8]) -> Bytes {
    // `HTTP/1.1 400 `
    let code = head.get(9..12).map(StatusCode::from_bytes);
    let status = code.and_then(Result::ok).unwrap_or(StatusCode::BAD_REQUEST);
    raw(status, status.canonical_reason().unwrap_or_default())
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
    // Writing to a String cannot fail, and only years before the first have no
    // date of this form.
    let now = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
    if let Ok(now) = now {
        let _ = write!(response, "date: {now}\r\n");
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
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

#[cfg(test)]
mod tests {
    use jiff::fmt::rfc2822::DateTimeParser;

    use super::*;

    #[test]
    fn an_answer_without_hyper_says_when_it_was_given() {
        let before = Timestamp::now().as_second();
        let answer = raw(StatusCode::REQUEST_TIMEOUT, "");
        let after = Timestamp::now().as_second();
        let answer = std::str::from_utf8(&answer).unwrap();
        let date = answer.lines().find_map(|line| line.strip_prefix("date: "));
        let date = date.expect("a date");
        // RFC 9110, section 5.6.7: this is not all that RFC 2822 allows.
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        let date = DateTimeParser::new().parse_timestamp(date).unwrap();
        assert!((before..=after).contains(&date.as_second()));
    }
}
