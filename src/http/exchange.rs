//! One request and its response: what is logged and counted of it, once, when
//! the last byte of the response is handed over or the client has left.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::{Method, StatusCode};
use tokio::time::Instant;

use super::activity::Activity;
use super::client::ClientHost;
use super::correlation::CorrelationId;
use super::metrics::{Meters, UNMATCHED};
use crate::telemetry::span::{Ended, Span};
use crate::telemetry::trace::TraceContext;

/// A request on its way through the router.
pub(super) struct Exchange {
    pub(super) correlation: CorrelationId,
    pub(super) trace: TraceContext,
    pub(super) method: Method,
    /// Without the query, which may hold what nobody should read.
    pub(super) path: String,
    pub(super) client: ClientHost,
    /// The pattern that matched, known once the router has looked.
    pub(super) route: OnceLock<String>,
    /// Whether it is logged at debug level: health, scrapes, operators.
    pub(super) is_routine: bool,
    pub(super) started: Instant,
    pub(super) meters: Arc<Meters>,
}

impl Exchange {
    pub(super) fn route(&self) -> &str {
        self.route.get().map_or(UNMATCHED, String::as_str)
    }

    /// Milliseconds, with two decimals.
    fn duration_ms(&self) -> f64 {
        (self.started.elapsed().as_secs_f64() * 100_000.0).round() / 100.0
    }

    pub(super) fn log_failed(
        &self,
        error_type: &str,
        status: Option<StatusCode>,
        error: Option<&dyn fmt::Display>,
    ) {
        self.trace.within(|| {
            tracing::error!(
                event = "request_failed",
                correlation_id = self.correlation.as_str(),
                method = %self.method,
                path = self.path,
                client_host = %self.client,
                status_code = status.map(|status| status.as_u16()),
                error_type,
                error = error.map(tracing::field::display),
                duration_ms = self.duration_ms(),
                "Request failed"
            );
        });
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({} {})", self.method, self.route())
    }
}

/// Held from the call of the service to the end of the response's body.
#[derive(Debug)]
pub(super) struct Ticket {
    exchange: Arc<Exchange>,
    span: Span,
    /// `None` until there is a response.
    status: Option<StatusCode>,
    complete: bool,
}

impl Ticket {
    pub(super) fn new(exchange: Arc<Exchange>, span: Span) -> Self {
        exchange.meters.in_flight.inc();
        Self {
            exchange,
            span,
            status: None,
            complete: false,
        }
    }

    pub(super) fn responded(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let exchange = &*self.exchange;
        exchange.meters.in_flight.dec();
        if let Some(status) = self.status {
            let (route, method) = (exchange.route(), &exchange.method);
            let elapsed = exchange.started.elapsed();
            exchange.meters.responded(route, method, status, elapsed);
        }
        self.span.end(|| Ended {
            method: &exchange.method,
            route: exchange.route(),
            path: &exchange.path,
            client: exchange.client.to_string(),
            correlation: exchange.correlation.as_str(),
            status: self.status.map(|status| status.as_u16()),
        });
        macro_rules! log {
            ($level:ident, $event:literal, $text:literal) => {
                tracing::$level!(
                    event = $event,
                    correlation_id = exchange.correlation.as_str(),
                    method = %exchange.method,
                    path = exchange.path,
                    client_host = %exchange.client,
                    status_code = self.status.map(|status| status.as_u16()),
                    duration_ms = exchange.duration_ms(),
                    $text
                )
            };
        }
        exchange
            .trace
            .within(|| match (self.complete, exchange.is_routine) {
                (true, true) => log!(debug, "request_completed", "Request completed"),
                (true, false) => log!(info, "request_completed", "Request completed"),
                (false, true) => log!(debug, "request_aborted", "Request ended early"),
                (false, false) => log!(info, "request_aborted", "Request ended early"),
            });
    }
}

/// The body of a response; its end is the end of the exchange.
#[derive(Debug)]
pub(super) struct ResponseBody {
    content: Content,
    activity: Arc<Activity>,
    ticket: Option<Ticket>,
}

#[derive(Debug)]
enum Content {
    Ready(Full<Bytes>),
    Routed(Body),
    /// The response has none on the wire (HEAD, 204, 304).
    None(SizeHint),
}

impl ResponseBody {
    /// A health answer, which is prepared and neither awaited nor timed.
    pub(super) fn ready(bytes: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            content: Content::Ready(Full::new(bytes)),
            activity,
            ticket: None,
        }
    }

    pub(super) fn routed(body: Body, activity: Arc<Activity>, mut ticket: Ticket) -> Self {
        let status = ticket.status.unwrap_or_default();
        let bodyless = ticket.exchange.method == Method::HEAD
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let content = if bodyless || body.is_end_stream() {
            ticket.complete = true;
            Content::None(body.size_hint())
        } else {
            Content::Routed(body)
        };
        Self {
            content,
            activity,
            ticket: Some(ticket),
        }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let frame = match &mut this.content {
            Content::Ready(body) => {
                let frame = std::task::ready!(Pin::new(body).poll_frame(cx));
                return Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})));
            }
            Content::Routed(body) => std::task::ready!(Pin::new(body).poll_frame(cx)),
            Content::None(_) => None,
        };
        let ended = frame.is_none() || this.is_end_stream();
        if let Some(ticket) = this.ticket.as_mut() {
            match &frame {
                // Its client can tell by the missing end, its operator by this.
                Some(Err(error)) => {
                    let exchange = &ticket.exchange;
                    exchange.log_failed("response", ticket.status, Some(error));
                }
                _ => ticket.complete |= ended,
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Ready(body) => body.is_end_stream(),
            Content::Routed(body) => body.is_end_stream(),
            // hyper derives Content-Length from the size hint of a body that
            // has not ended, and writes none of a response without one.
            Content::None(size) => size.exact() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Ready(body) => body.size_hint(),
            Content::Routed(body) => body.size_hint(),
            Content::None(size) => *size,
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.activity.response_ended();
    }
}
