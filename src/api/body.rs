//! The bodies of requests.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use crate::http::body::BodyLimit;

const JSON: &str = "application/json";
const CSV: &str = "text/csv";

/// A body of JSON, not parsed yet. A request that does not say what it sends
/// is taken at the path's word.
#[derive(Debug)]
pub(super) struct JsonBody(pub(super) Bytes);

/// A body of JSON or CSV, not parsed yet. CSV may be larger.
#[derive(Debug)]
pub(super) enum ImportBody {
    Json(Bytes),
    Csv(Bytes),
}

impl ImportBody {
    pub(super) fn bytes(&self) -> &Bytes {
        match self {
            Self::Json(bytes) | Self::Csv(bytes) => bytes,
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match content_type(request.headers()).as_deref() {
            None | Some(JSON) => Ok(Self(read(request, state).await?)),
            Some(_) => Err(ApiError::ContentType(JSON).into_response()),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for ImportBody {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match content_type(request.headers()).as_deref() {
            None | Some(JSON) => Ok(Self::Json(read(request, state).await?)),
            Some(CSV) => {
                if let Some(limit) = request.extensions().get::<BodyLimit>() {
                    limit.allow_import();
                }
                Ok(Self::Csv(read(request, state).await?))
            }
            Some(_) => Err(ApiError::ContentType("application/json or text/csv").into_response()),
        }
    }
}

/// The limits are kept, and told, by the listener.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Response> {
    let encoding = request.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::ContentEncoding.into_response());
    }
    Bytes::from_request(request, state)
        .await
        .map_err(IntoResponse::into_response)
}

/// Without its parameters, such as the charset.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("?");
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}
