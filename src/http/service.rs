//! One request: health answers at once, everything else through the router.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONNECTION, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::{Instant, timeout};
use tower::{Layer, ServiceExt, service_fn};

use super::activity::Activity;
use super::admission::Seat;
use super::body::{BodyLimit, GuardedBody};
use super::client::ClientHost;
use super::correlation::{self, CorrelationId};
use super::error;
use super::exchange::{Exchange, ResponseBody, Ticket};
use super::framing::Ambiguous;
use super::front::{Front, Kind};
use super::health::HealthRoute;
use crate::telemetry::span::Span;
use crate::telemetry::trace::TRACERESPONSE;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Everything under it is answered on the reserve, too.
const HEALTH: &str = "/health";

/// The service of one connection.
#[derive(Debug)]
pub(super) struct ConnectionService {
    pub(super) front: Arc<Front>,
    pub(super) activity: Arc<Activity>,
    /// `None` on a unix socket.
    pub(super) peer: Option<IpAddr>,
    pub(super) seat: Seat,
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<Incoming>) -> ResponseFuture {
        self.activity.request_began();
        self.activity
            .set_body_unread(!request.body().is_end_stream());
        let correlation = CorrelationId::of(request.headers());
        match HealthRoute::of(request.uri().path()) {
            // With an origin it is a browser that waits for CORS headers.
            Some(route) if self.is_plain(&request) => {
                ResponseFuture::Ready(ready(self.health(route, &request, &correlation)))
            }
            _ => ResponseFuture::Routed(self.route(request, correlation).boxed()),
        }
    }
}

impl ConnectionService {
    /// Whether nothing but a health document can be the answer.
    fn is_plain(&self, request: &Request<Incoming>) -> bool {
        let may_be_cross_origin = self.front.cors.is_some()
            && (request.method() == Method::OPTIONS || request.headers().contains_key(ORIGIN));
        !may_be_cross_origin && Ambiguous::of(request.version(), request.headers()).is_none()
    }

    fn health(
        &self,
        route: HealthRoute,
        request: &Request<Incoming>,
        correlation: &CorrelationId,
    ) -> Response<ResponseBody> {
        let front = &*self.front;
        let (method, query) = (request.method(), request.uri().query());
        let mut response = front.health.answer(route, method, query);
        let status = response.status();
        front.meters.health_answered(route, method, status);
        if tracing::enabled!(tracing::Level::DEBUG) {
            let trusted = &front.settings.load().trusted_proxies;
            let client = ClientHost::of(self.peer, request.headers(), trusted);
            let (trace, _) = Span::begin(request.headers(), true);
            trace.within(|| {
                tracing::debug!(
                    event = "request_completed",
                    correlation_id = correlation.as_str(),
                    method = %method,
                    path = route.path(),
                    client_host = %client,
                    status_code = status.as_u16(),
                    duration_ms = 0.0,
                    "Request completed"
                );
            });
        }
        self.finish(&mut response, correlation);
        self.activity.response_began();
        response.map(|body| ResponseBody::ready(body, self.activity.clone()))
    }

    fn route(
        &self,
        request: Request<Incoming>,
        correlation: CorrelationId,
    ) -> impl Future<Output = Response<ResponseBody>> + Send + 'static {
        let this = Self {
            front: self.front.clone(),
            activity: self.activity.clone(),
            peer: self.peer,
            seat: self.seat,
        };
        let settings = this.front.settings.load_full();
        let client = ClientHost::of(this.peer, request.headers(), &settings.trusted_proxies);
        let path = request.uri().path().to_owned();
        let is_routine = this.front.kind == Kind::Admin || path.starts_with(HEALTH);
        let (trace, span) = Span::begin(request.headers(), is_routine);
        let exchange = Arc::new(Exchange {
            is_routine,
            correlation: correlation.clone(),
            trace,
            method: request.method().clone(),
            path,
            client,
            route: OnceLock::new(),
            started: Instant::now(),
            meters: this.front.meters.clone(),
        });
        this.activity.set_exchange(exchange.clone());
        let mut ticket = Ticket::new(exchange.clone(), span);

        let largest = settings.max_body.max(settings.import_max_body);
        let share = this.front.body(largest);
        let limit = BodyLimit::new(settings.max_body, settings.import_max_body, share);
        let ambiguous = Ambiguous::of(request.version(), request.headers());
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(correlation.clone());
        parts.extensions.insert(client);
        parts.extensions.insert(limit.clone());
        parts.extensions.insert(exchange.clone());
        let body = GuardedBody::new(
            body,
            limit.clone(),
            settings.body_idle_timeout,
            this.front.waiting_bodies.clone(),
            this.activity.clone(),
        );
        let request = Request::from_parts(parts, body);

        let answering = async move {
            let inner = service_fn(|request| {
                let answer = this.dispatch(request, &exchange, &limit, settings.request_timeout);
                answer.map(Ok::<_, Infallible>)
            });
            let answered = match (ambiguous, &this.front.cors) {
                (Some(ambiguous), _) => Ok(closing(ambiguous.answer())),
                (None, Some(cors)) => cors.layer(inner).oneshot(request).await,
                (None, None) => inner.oneshot(request).await,
            };
            let mut response = match answered {
                Ok(response) => response,
                Err(never) => match never {},
            };
            this.finish(&mut response, &correlation);
            response.headers_mut().insert(TRACERESPONSE, trace.into());
            ticket.responded(response.status());
            this.activity.response_began();
            let activity = this.activity.clone();
            response.map(|body| ResponseBody::routed(body, activity, ticket))
        };
        trace.scope(answering)
    }

    /// What every response carries.
    fn finish<B>(&self, response: &mut Response<B>, correlation: &CorrelationId) {
        let closes = self.seat != Seat::Full || self.front.is_draining();
        let headers = response.headers_mut();
        headers.insert(correlation::HEADER, correlation.header_value());
        if closes {
            headers.insert(CONNECTION, CLOSE);
        }
    }

    async fn dispatch(
        &self,
        request: Request<GuardedBody<Incoming>>,
        exchange: &Exchange,
        limit: &BodyLimit,
        request_timeout: std::time::Duration,
    ) -> Response<Body> {
        if let Some(route) = HealthRoute::of(request.uri().path()) {
            // The first to ask: nobody has set it.
            let _ = exchange.route.set(route.path().to_owned());
            let (method, query) = (request.method(), request.uri().query());
            return self
                .front
                .health
                .answer(route, method, query)
                .map(Body::from);
        }
        if self.seat != Seat::Full && !request.uri().path().starts_with(HEALTH) {
            return error::unavailable("too many connections");
        }
        let least = request.body().size_hint().lower();
        let largest = self.front.settings.load().import_max_body.max(limit.get());
        if usize::try_from(least).unwrap_or(usize::MAX) > largest {
            return too_large(largest);
        }

        let router = self.front.router.clone();
        let request = request.map(Body::new);
        let handled = AssertUnwindSafe(async move { router.oneshot(request).await }).catch_unwind();
        let response = match timeout(request_timeout, handled).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_panic)) => {
                // The panic hook has logged what it said and where.
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                exchange.log_failed("panic", Some(status), None);
                error::response(status, "Internal Server Error")
            }
            Err(_elapsed) if limit.is_client_slow() => return slow_body(),
            Err(_elapsed) => {
                exchange.log_failed("timeout", Some(StatusCode::SERVICE_UNAVAILABLE), None);
                return error::unavailable("the request took too long");
            }
        };
        if limit.was_exceeded() {
            too_large(limit.get())
        } else if limit.was_crowded() {
            closing(error::unavailable(
                "too many large or slow requests at once",
            ))
        } else if limit.timed_out() {
            slow_body()
        } else {
            response
        }
    }
}

/// The rest of the body is not read, so the connection ends.
fn too_large(limit: usize) -> Response<Body> {
    let detail = format!("the body is larger than {limit} bytes");
    closing(error::response(StatusCode::PAYLOAD_TOO_LARGE, &detail))
}

fn slow_body() -> Response<Body> {
    closing(error::response(
        StatusCode::REQUEST_TIMEOUT,
        "the body of the request took too long",
    ))
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, CLOSE);
    response
}

/// Health is answered without an allocation for its future.
pub(super) enum ResponseFuture {
    Ready(Ready<Response<ResponseBody>>),
    Routed(BoxFuture<'static, Response<ResponseBody>>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(response) => Pin::new(response).poll(cx),
            Self::Routed(response) => response.as_mut().poll(cx),
        }
        .map(Ok)
    }
}
