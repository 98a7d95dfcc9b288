//! What is counted of requests and connections. Label values come from closed
//! sets: route patterns, standard methods, status codes.

use std::time::Duration;

use hyper::{Method, StatusCode};
use metrics::{Counter, Gauge, Unit};

use super::health::HealthRoute;

/// The route of a request that no pattern matches.
pub(super) const UNMATCHED: &str = "unmatched";

const REQUESTS: &str = "budgetd_http_requests_total";
const DURATION: &str = "budgetd_http_request_duration_seconds";
const IN_FLIGHT: &str = "budgetd_http_requests_in_flight";
const CONNECTIONS: &str = "budgetd_http_connections";
const REJECTED: &str = "budgetd_http_connections_rejected_total";

/// Describes every metric of this module; called once, when the recorder is
/// installed and before a [`super::Front`] is made.
pub fn describe() {
    metrics::describe_counter!(
        REQUESTS,
        "Requests answered, by route pattern, method and status code."
    );
    metrics::describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From the head of a request to the end of its response, by route pattern; prepared health answers are not timed."
    );
    metrics::describe_gauge!(
        IN_FLIGHT,
        "Requests that are being answered; prepared health answers are never in flight."
    );
    metrics::describe_gauge!(CONNECTIONS, "Open connections that are served.");
    metrics::describe_counter!(
        REJECTED,
        "Connections that found no seat: `reserve` got health answers only, `overflow` a 503, `dropped` nothing."
    );
}

/// The handles of one listener.
#[derive(Debug)]
pub(super) struct Meters {
    listener: &'static str,
    pub(super) in_flight: Gauge,
    pub(super) connections: Gauge,
    pub(super) rejected_reserve: Counter,
    pub(super) rejected_overflow: Counter,
    pub(super) rejected_dropped: Counter,
    /// By route, then GET and HEAD, then 200 and 503: the hot path.
    health: [[[Counter; 2]; 2]; HealthRoute::ALL.len()],
}

impl Meters {
    pub(super) fn new(listener: &'static str) -> Self {
        let rejected =
            |reason| metrics::counter!(REJECTED, "listener" => listener, "reason" => reason);
        let health = HealthRoute::ALL.map(|route| {
            ["GET", "HEAD"].map(|method| {
                ["200", "503"].map(|code| {
                    metrics::counter!(REQUESTS, "listener" => listener, "route" => route.path(), "method" => method, "code" => code)
                })
            })
        });
        Self {
            listener,
            in_flight: metrics::gauge!(IN_FLIGHT, "listener" => listener),
            connections: metrics::gauge!(CONNECTIONS, "listener" => listener),
            rejected_reserve: rejected("reserve"),
            rejected_overflow: rejected("overflow"),
            rejected_dropped: rejected("dropped"),
            health,
        }
    }

    pub(super) fn health_answered(&self, route: HealthRoute, method: &Method, status: StatusCode) {
        let method_index = match *method {
            Method::GET => Some(0),
            Method::HEAD => Some(1),
            _ => None,
        };
        let code_index = match status {
            StatusCode::OK => Some(0),
            StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        };
        match (method_index, code_index) {
            (Some(method), Some(code)) => self.health[route as usize][method][code].increment(1),
            _ => self.count(route.path().to_owned(), method, status),
        }
    }

    pub(super) fn responded(
        &self,
        route: &str,
        method: &Method,
        status: StatusCode,
        duration: Duration,
    ) {
        self.count(route.to_owned(), method, status);
        metrics::histogram!(DURATION, "listener" => self.listener, "route" => route.to_owned())
            .record(duration.as_secs_f64());
    }

    fn count(&self, route: String, method: &Method, status: StatusCode) {
        metrics::counter!(
            REQUESTS,
            "listener" => self.listener,
            "route" => route,
            "method" => method_label(method),
            "code" => status.as_str().to_owned(),
        )
        .increment(1);
    }
}

/// A client may send any word as a method.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => "other",
    }
}
