//! Why a request is refused, and how that is said.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::auth::Rejection;
use crate::budget::{Forbidden, Problem, Problems, WorkingExists, WrongStatus};
use crate::http::error;
use crate::store::StoreError;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// Also what exists and must not be seen.
    #[error("Not Found")]
    NotFound,
    #[error(transparent)]
    WorkingExists(#[from] WorkingExists),
    /// A lost race: what the client has seen is not the state any more.
    #[error("The version has changed since: read it again")]
    Changed,
    #[error("Expected the content type {0}")]
    ContentType(&'static str),
    #[error("Expected a body without Content-Encoding")]
    ContentEncoding,
    /// Told in full, each with its place.
    #[error("the request is invalid")]
    Invalid(Problems),
    #[error(transparent)]
    WrongStatus(#[from] WrongStatus),
    #[error("The Idempotency-Key was used for another request")]
    KeyMisused,
    /// Too many of the same kind are being answered.
    #[error("too many {0} at once")]
    Overloaded(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of this program.
    #[error("{0}")]
    Broken(String),
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Invalid(problem.into())
    }
}

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

/// What an operator is told of a fault that clients are spared: in the
/// extensions of its response.
#[derive(Debug, Clone)]
pub(super) struct Fault(pub(super) String);

impl IntoResponse for ApiError {
    fn into_response(self) -> axum::response::Response {
        let status = match &self {
            Self::Rejected(rejection) => return rejected(rejection),
            Self::Invalid(_) => return invalid(self),
            Self::Store(StoreError::Broken(fault)) | Self::Broken(fault) => return broken(fault),
            Self::Store(StoreError::Unavailable(_)) => {
                return error::unavailable("the database is not available");
            }
            Self::Store(StoreError::Busy(_)) => {
                return error::unavailable("the database has too much to do");
            }
            Self::Store(StoreError::Timeout(_)) => {
                return error::unavailable("the database took too long");
            }
            // The rules that inputs can break are told apart where they are.
            Self::Store(StoreError::Conflict { .. }) => return broken(&self.to_string()),
            Self::Overloaded(_) => return error::unavailable(&self.to_string()),
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WorkingExists(_) => StatusCode::CONFLICT,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::ContentType(_) | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::WrongStatus(_) | Self::KeyMisused => StatusCode::UNPROCESSABLE_ENTITY,
        };
        error::response(status, &self.to_string())
    }
}

fn rejected(rejection: &Rejection) -> Response<Body> {
    let Some(challenge) = rejection.challenge() else {
        return error::unavailable(&rejection.to_string());
    };
    let mut response = error::response(StatusCode::UNAUTHORIZED, &rejection.to_string());
    let challenge = HeaderValue::from_static(challenge);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

fn invalid(error: ApiError) -> Response<Body> {
    /// There may be as many as a file has rows.
    #[derive(Serialize)]
    struct Told {
        detail: Vec<Problem>,
    }

    let detail = match error {
        ApiError::Invalid(problems) => problems.into_vec(),
        _ => Vec::new(),
    };
    let Ok(body) = serde_json::to_vec(&Told { detail }) else {
        return broken("cannot write what is wrong with an input");
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn broken(fault: &str) -> Response<Body> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let mut response = error::response(status, "Internal Server Error");
    response.extensions_mut().insert(Fault(fault.to_owned()));
    response
}
