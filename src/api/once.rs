//! Writes that a client may send again: `Idempotency-Key`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use headers::{ETag, HeaderMapExt};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::versions::visible;
use crate::auth::{Identity, Organizations};
use crate::budget::{OrganizationId, Problem, VersionId};
use crate::store::idempotency::{self, Claim, Claimed, Kept};
use crate::store::{Store, Transaction, versions};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 255;

/// What makes a request the same one when it comes again, but for its body.
#[derive(Debug)]
pub(super) struct Once {
    method: String,
    path: String,
    key: Option<String>,
}

/// What a write is about. Its answer is told again to those alone who may see
/// that.
#[derive(Debug, Clone, Copy)]
pub(super) enum About {
    Organization(OrganizationId),
    Version(VersionId),
}

impl About {
    /// What tells this request from others with the same key.
    fn hash(self, body: &[u8]) -> Vec<u8> {
        let hash = Sha256::new().chain_update(body);
        let hash = match self {
            // The token decides which it is, where the body does not.
            Self::Organization(id) => hash.chain_update(id.uuid()),
            // It stands in the path.
            Self::Version(_) => hash,
        };
        hash.finalize().to_vec()
    }

    /// A token of the same user may see less than the one before.
    async fn demand(self, transaction: &Transaction, identity: &Identity) -> Result<(), ApiError> {
        match (self, &identity.organizations) {
            (Self::Version(id), Organizations::Only(_)) => {
                visible(versions::find(transaction, id).await?, identity).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// The answer to a write.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    tag: Option<ETag>,
    body: Bytes,
}

impl Reply {
    /// 201 with a JSON body.
    pub(super) fn created(body: &impl Serialize, tag: ETag) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(body).map_err(|error| ApiError::Broken(error.to_string()))?;
        Ok(Self {
            status: StatusCode::CREATED,
            tag: Some(tag),
            body: body.into(),
        })
    }
}

impl From<Kept> for Reply {
    /// The tag of then says nothing of now.
    fn from(kept: Kept) -> Self {
        Self {
            status: StatusCode::from_u16(kept.status).unwrap_or(StatusCode::CREATED),
            tag: None,
            body: kept.body.into(),
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status, [(CONTENT_TYPE, json)], self.body).into_response();
        if let Some(tag) = self.tag {
            response.headers_mut().typed_insert(tag);
        }
        response
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut keys = parts.headers.get_all(KEY).into_iter();
        let key = keys.next().map(readable).transpose()?;
        if keys.next().is_some() {
            return Err(unreadable("Should stand once".to_owned()));
        }
        Ok(Self {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            key,
        })
    }
}

fn readable(value: &HeaderValue) -> Result<String, ApiError> {
    let key = value.to_str().unwrap_or_default();
    if (1..=LONGEST_KEY).contains(&key.len()) {
        return Ok(key.to_owned());
    }
    let msg = format!("Should be 1 to {LONGEST_KEY} visible ASCII characters");
    Err(unreadable(msg))
}

fn unreadable(msg: String) -> ApiError {
    Problem {
        loc: vec!["header".into(), "Idempotency-Key".into()],
        msg,
        kind: "value_error",
    }
    .into()
}

impl Once {
    /// Does the work in a transaction, or finds the answer that was given when
    /// it was done. Only answers of success are kept: after anything else
    /// nothing was done, and the request may be tried again.
    pub(super) async fn write<F: Future<Output = Result<Reply, ApiError>>>(
        &self,
        store: &Store,
        identity: &Identity,
        about: About,
        body: &[u8],
        work: impl FnOnce(Arc<Transaction>) -> F,
    ) -> Result<Reply, ApiError> {
        let Some(key) = &self.key else {
            return store.write(work).await;
        };
        let request_hash = about.hash(body);
        let claim = Claim {
            user: identity.user,
            method: &self.method,
            path: &self.path,
            key,
            request_hash: &request_hash,
        };
        let claimed = |transaction: Arc<Transaction>| async move {
            match idempotency::claim(&transaction, claim).await? {
                Claimed::New => {}
                Claimed::Done(kept) => {
                    about.demand(&transaction, identity).await?;
                    return Ok(kept.into());
                }
                Claimed::Misused => return Err(ApiError::KeyMisused),
            }
            let reply = work(transaction.clone()).await?;
            let kept = Kept {
                status: reply.status.as_u16(),
                body: reply.body.to_vec(),
            };
            idempotency::keep(&transaction, claim, &kept).await?;
            Ok(reply)
        };
        store.write(claimed).await
    }
}
