//! Who may come in: the token, the rate, the role.

use std::net::Ipv4Addr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::{ApiError, Fault};
use super::{Api, rate};
use crate::auth::{Identity, Rejection};
use crate::budget::Role;
use crate::http::client::ClientHost;
use crate::http::correlation::CorrelationId;
use crate::limits::{Kind, Subject};

/// Middleware in front of every route: who comes through has an [`Identity`]
/// in the request's extensions, and may write if the request writes.
///
/// The rate is counted before a bad token is answered, so that guessing tokens
/// has its price.
pub(super) async fn admit(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let verified = api.verifier.verify(request.headers()).await;
    let subject = if let Ok(identity) = &verified {
        Subject::User(identity.user.uuid())
    } else {
        let client = request.extensions().get::<ClientHost>();
        // Without an address it is someone on this machine.
        let address = client.and_then(|client| client.0);
        Subject::Address(address.unwrap_or(Ipv4Addr::LOCALHOST.into()))
    };
    let kind = if request.method().is_safe() {
        Kind::Read
    } else {
        Kind::Write
    };
    let decision = api.limiter.check(subject, kind).await;
    if !decision.allowed {
        return rate::exceeded(&decision);
    }
    let admitted = verified
        .inspect_err(|rejection| refused(rejection, &request))
        .map_err(ApiError::from)
        .and_then(|identity| allow(identity, kind));
    let mut response = match admitted {
        Ok(identity) => {
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    rate::tell(&decision, response.headers_mut());
    response
}

/// Readers read; who may approve is looked at where that is done.
fn allow(identity: Identity, kind: Kind) -> Result<Identity, ApiError> {
    if kind == Kind::Write {
        identity.role.require(Role::Planner)?;
    }
    Ok(identity)
}

/// Tells operators why a token is no good, which whoever sent it is not told.
fn refused(rejection: &Rejection, request: &Request) {
    if let Some(fault) = rejection.fault() {
        let correlation = request.extensions().get::<CorrelationId>();
        tracing::info!(
            event = "token_refused",
            correlation_id = correlation.map(CorrelationId::as_str),
            error = fault,
            "Token refused: {fault}"
        );
    }
}

/// Middleware that tells operators of what clients are not told.
pub(super) async fn report(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let correlation = request.extensions().get::<CorrelationId>().cloned();
    let response = next.run(request).await;
    if let Some(Fault(fault)) = response.extensions().get() {
        tracing::error!(
            event = "request_failed",
            correlation_id = correlation.as_ref().map(CorrelationId::as_str),
            %method,
            path,
            status_code = response.status().as_u16(),
            error_type = "internal",
            error = fault,
            "Request failed"
        );
    }
    response
}
