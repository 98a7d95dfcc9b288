//! The health documents, answered from the snapshot: no lock, no waiting, and
//! never a question to a dependency.

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::error::JSON;
use super::front::Settings;
use crate::config::HealthDetails;
use crate::health::readiness::{Readiness, Verdict};
use crate::shutdown::Phase;

mod document;
mod selection;

mod update;

use document::StatusDocument;
pub use document::render;

use selection::Selection;
pub(super) use update::{Told, Update};

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What liveness calls this service; dashboards know it by that name.
const SERVICE: &str = "efir-budget-api";

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Says whether the process itself works; an error is what is broken.
pub type Liveness = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Asks for the statistics of the cache (`/health/cache`).
pub type CacheStatistics = Arc<dyn Fn() -> BoxFuture<'static, serde_json::Value> + Send + Sync>;

/// The paths that are answered before the router is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthRoute {
    Health = 0,
    Live = 1,
    Ready = 2,
    Startup = 3,
}

impl HealthRoute {
    pub(super) const ALL: [Self; 4] = [Self::Health, Self::Live, Self::Ready, Self::Startup];

    pub(super) fn of(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::Startup => "/health/startup",
        }
    }
}

/// What the health answers are made of.
pub(super) struct HealthEndpoint {
    pub(super) readiness: Readiness,
    pub(super) settings: Settings,
    pub(super) liveness: Liveness,
    pub(super) started: Instant,
    /// The admin listener tells everything whatever `health_details` says.
    pub(super) tells_all: bool,
}

impl HealthEndpoint {
    pub(super) fn answer(
        &self,
        route: HealthRoute,
        method: &Method,
        query: Option<&str>,
    ) -> Response<Bytes> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refusal = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            refusal
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match route {
            HealthRoute::Health => {
                let title = &self.settings.load().title;
                let body = json!({ "status": "healthy", "service": title });
                answer(StatusCode::OK, body.to_string())
            }
            HealthRoute::Live => match (self.liveness)() {
                Ok(()) => {
                    let body = json!({ "status": "ok", "service": SERVICE });
                    answer(StatusCode::OK, body.to_string())
                }
                Err(broken) => {
                    let body = json!({ "status": "error", "service": SERVICE, "detail": broken });
                    answer(StatusCode::SERVICE_UNAVAILABLE, body.to_string())
                }
            },
            HealthRoute::Ready => self.ready(query),
            HealthRoute::Startup => {
                let (code, status) = if self.readiness.phase.gate_opened() {
                    (StatusCode::OK, "ok")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "starting")
                };
                let body = json!({ "status": status, "service": SERVICE });
                answer(code, body.to_string())
            }
        }
    }

    fn ready(&self, query: Option<&str>) -> Response<Bytes> {
        let (published, phase) = self.readiness.now();
        let selection = query.map(Selection::parse).unwrap_or_default();
        if selection.is_default() {
            return self.readiness_document(phase, published.verdict, &published.body());
        }
        match selection.of(&published.snapshot) {
            Ok(chosen) => {
                let verdict = Verdict::of(chosen.iter().copied());
                self.readiness_document(phase, verdict, &document::checks(&chosen))
            }
            Err(unknown) => detail(StatusCode::NOT_FOUND, &unknown.to_string()),
        }
    }

    fn readiness_document(&self, phase: Phase, verdict: Verdict, checks: &[u8]) -> Response<Bytes> {
        let overall = verdict.overall(phase);
        let tells_all =
            self.tells_all || self.settings.load().health_details == HealthDetails::Full;
        let checks = if tells_all { checks } else { &[] };

        let mut body = Vec::with_capacity(checks.len() + 160);
        body.extend_from_slice(b"{\"status\":\"");
        body.extend_from_slice(overall.as_str().as_bytes());
        body.extend_from_slice(b"\",");
        if !checks.is_empty() {
            body.extend_from_slice(checks);
            body.push(b',');
        }
        let mut tail = String::with_capacity(96);
        // Writing to a String cannot fail.
        let _ = write!(
            tail,
            "\"timestamp\":\"{:.3}\",\"version\":\"{VERSION}\",\"uptime_seconds\":{:.1}}}",
            Timestamp::now(),
            self.uptime_seconds(),
        );
        body.extend_from_slice(tail.as_bytes());

        let code = if overall.is_ready() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        answer(code, body)
    }

    pub(super) fn status_document(&self) -> Response<Bytes> {
        let (published, course) = self.readiness.course();
        let document = StatusDocument::new(&published, course, self.uptime_seconds());
        match serde_json::to_vec(&document) {
            Ok(body) => answer(StatusCode::OK, body),
            Err(error) => detail(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("cannot render the status: {error}"),
            ),
        }
    }

    fn uptime_seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

pub(super) fn answer(code: StatusCode, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, NO_STORE);
    response
}

fn detail(code: StatusCode, detail: &str) -> Response<Bytes> {
    answer(code, json!({ "detail": detail }).to_string())
}

#[cfg(test)]
mod tests;
