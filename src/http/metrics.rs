//! What is counted of requests and connections. Label values come from closed
//! sets: route patterns, standard methods, status codes.

use std::borrow::Cow;
use std::time::Duration;

use hyper::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::health::HealthRoute;
use crate::telemetry::prometheus::{Durations, Labels, durations};

/// The route of a request that no pattern matches.
pub(super) const UNMATCHED: &str = "unmatched";

/// What is counted of both listeners; clones share it.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Labels<4>, Counter>,
    duration: Durations<2>,
    in_flight: Family<Labels<1>, Gauge>,
    connections: Family<Labels<1>, Gauge>,
    rejected: Family<Labels<2>, Counter>,
}

impl Metrics {
    /// Names each metric and says what it means; the registry ends the
    /// sentence, and the name of a counter with `_total`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: durations(),
            in_flight: Family::default(),
            connections: Family::default(),
            rejected: Family::default(),
        };
        registry.register(
            "budgetd_http_requests",
            "Requests answered, by route pattern, method and status code",
            metrics.requests.clone(),
        );
        registry.register(
            "budgetd_http_request_duration_seconds",
            "From the head of a request to the end of its response, by route pattern; prepared health answers are not timed",
            metrics.duration.clone(),
        );
        registry.register(
            "budgetd_http_requests_in_flight",
            "Requests that are being answered; prepared health answers are never in flight",
            metrics.in_flight.clone(),
        );
        registry.register(
            "budgetd_http_connections",
            "Open connections that are served",
            metrics.connections.clone(),
        );
        registry.register(
            "budgetd_http_connections_rejected",
            "Connections that found no seat: `reserve` got health answers only, `overflow` a 503, `dropped` nothing",
            metrics.rejected.clone(),
        );
        metrics
    }
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
    metrics: Metrics,
}

impl Meters {
    pub(super) fn new(metrics: &Metrics, listener: &'static str) -> Self {
        let labels = [("listener", listener.into())];
        let rejected = |reason: &'static str| {
            let labels = [("listener", listener.into()), ("reason", reason.into())];
            metrics.rejected.get_or_create_owned(&labels)
        };
        let health = HealthRoute::ALL.map(|route| {
            ["GET", "HEAD"].map(|method| {
                ["200", "503"].map(|code| {
                    let labels = request_labels(listener, route.path(), method, code);
                    metrics.requests.get_or_create_owned(&labels)
                })
            })
        });
        Self {
            listener,
            in_flight: metrics.in_flight.get_or_create_owned(&labels),
            connections: metrics.connections.get_or_create_owned(&labels),
            rejected_reserve: rejected("reserve"),
            rejected_overflow: rejected("overflow"),
            rejected_dropped: rejected("dropped"),
            health,
            metrics: metrics.clone(),
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
            (Some(method), Some(code)) => {
                self.health[route as usize][method][code].inc();
            }
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
        let labels = [
            ("listener", self.listener.into()),
            ("route", route.to_owned().into()),
        ];
        let series = self.metrics.duration.get_or_create(&labels);
        series.observe(duration.as_secs_f64());
    }

    fn count(&self, route: String, method: &Method, status: StatusCode) {
        let code = status.as_str().to_owned();
        let labels = request_labels(self.listener, route, method_label(method), code);
        self.metrics.requests.get_or_create(&labels).inc();
    }
}

fn request_labels(
    listener: &'static str,
    route: impl Into<Cow<'static, str>>,
    method: &'static str,
    code: impl Into<Cow<'static, str>>,
) -> Labels<4> {
    [
        ("listener", listener.into()),
        ("route", route.into()),
        ("method", method.into()),
        ("code", code.into()),
    ]
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
