//! The identifiers in paths.

use std::collections::HashMap;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use utoipa::IntoParams;

use super::error::ApiError;
use crate::budget::{LineId, VersionId, path_id};

/// A version.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct VersionPath {
    pub(super) id: VersionId,
}

/// A line of a version.
#[derive(Debug, Clone, Copy, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct LinePath {
    pub(super) id: VersionId,
    pub(super) line_id: LineId,
}

type Parameters = Result<Path<HashMap<String, String>>, PathRejection>;

async fn parameter<T: std::str::FromStr<Err = uuid::Error>, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &'static str,
) -> Result<T, ApiError> {
    let parameters: Parameters = Path::from_request_parts(parts, state).await;
    let text = parameters.ok().and_then(|Path(mut all)| all.remove(name));
    // What is not UTF-8 is no identifier either.
    Ok(path_id(name, text.as_deref().unwrap_or_default())?)
}

impl<S: Send + Sync> FromRequestParts<S> for VersionPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let id = parameter(parts, state, "id").await?;
        Ok(Self { id })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LinePath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Ok(Self {
            id: parameter(parts, state, "id").await?,
            line_id: parameter(parts, state, "line_id").await?,
        })
    }
}
