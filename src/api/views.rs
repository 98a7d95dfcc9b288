//! What is computed from the lines of versions, and read more often than they
//! are written: consolidation, statements, comparison.
//!
//! A request first learns the current revision of its versions from the
//! database. The cache is asked for what belongs to just that revision, so it
//! cannot answer with anything older.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::lazy;
use serde::Serialize;

use super::error::ApiError;
use super::path::VersionPath;
use super::{Api, documents, etag};
use crate::auth::Identity;
use crate::budget::{
    Comparison, ComparisonQuery, Consolidation, IncomeStatement, PeriodStatement, RevisionToken,
    StatementPeriod, Summary, Version, VersionId, path_period,
};
use crate::cache::{Computed, Key, ReadError};
use crate::store::{StoreError, Transaction, aggregates, versions};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What is computed, as a part of a key of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Consolidation,
    Summary,
    Periods,
    Period(StatementPeriod),
    Income,
}

/// The consolidated view of a version: its lines by account.
#[utoipa::path(
    get, path = "/consolidation/{id}", tag = "consolidation", params(VersionPath, documents::IfNoneMatch),
    responses((status = 200, body = Consolidation), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn consolidation(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    show(&api, &identity, path.id, &headers, View::Consolidation).await
}

/// The totals of a version alone.
#[utoipa::path(
    get, path = "/consolidation/{id}/summary", tag = "consolidation", params(VersionPath, documents::IfNoneMatch),
    responses((status = 200, body = Summary), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn summary(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    show(&api, &identity, path.id, &headers, View::Summary).await
}

/// The totals of each period, and of the year.
#[utoipa::path(
    get, path = "/consolidation/{id}/statements/periods", tag = "consolidation", params(VersionPath, documents::IfNoneMatch),
    responses((status = 200, body = Vec<PeriodStatement>), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn periods(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    show(&api, &identity, path.id, &headers, View::Periods).await
}

/// The totals of one period, or of the year.
#[utoipa::path(
    get, path = "/consolidation/{id}/statements/periods/{period}", tag = "consolidation",
    params(VersionPath, ("period" = StatementPeriod, Path), documents::IfNoneMatch),
    responses((status = 200, body = PeriodStatement), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn period(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    Path((_, period)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = View::Period(path_period(&period)?);
    show(&api, &identity, path.id, &headers, view).await
}

/// The income statement, line by line.
#[utoipa::path(
    get, path = "/consolidation/{id}/statements/income", tag = "consolidation", params(VersionPath, documents::IfNoneMatch),
    responses((status = 200, body = IncomeStatement), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn income(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    show(&api, &identity, path.id, &headers, View::Income).await
}

/// Two versions account by account.
#[utoipa::path(
    get, path = "/analysis/compare", tag = "analysis", params(ComparisonQuery, documents::IfNoneMatch),
    responses((status = 200, body = Comparison), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn compare(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let ComparisonQuery { base, other } = ComparisonQuery::from_query(query.as_deref())?;
    let (base_token, other_token) = tokio::try_join!(
        current(&api, &identity, base),
        current(&api, &identity, other)
    )?;
    let tag = etag::of_both(base_token, other_token);
    if etag::is_known(&headers, &tag) {
        return Ok(etag::with(tag, StatusCode::NOT_MODIFIED));
    }
    let store = api.store.clone();
    let compute = move || async move {
        store
            .read(|transaction| comparison(transaction, base, other))
            .await
    };
    let key = comparison_key(base, other, base_token, other_token);
    respond(&api, key, compute).await
}

async fn show(
    api: &Api,
    identity: &Identity,
    id: VersionId,
    headers: &HeaderMap,
    view: View,
) -> Result<Response, ApiError> {
    let token = current(api, identity, id).await?;
    let tag = etag::of(token);
    if etag::is_known(headers, &tag) {
        return Ok(etag::with(tag, StatusCode::NOT_MODIFIED));
    }
    let store = api.store.clone();
    let compute = move || async move {
        store
            .read(|transaction| view.compute(transaction, id))
            .await
    };
    respond(api, view.key(id, token), compute).await
}

/// The revision of a version, if whoever asks may know of it.
async fn current(api: &Api, identity: &Identity, id: VersionId) -> Result<RevisionToken, ApiError> {
    let revision = api.store.revision(id).await?;
    revision
        .filter(|revision| identity.organizations.contains(revision.organization))
        .map(|revision| revision.token)
        .ok_or(ApiError::NotFound)
}

/// A response from the cache, or computed for it. What it was made from is its
/// tag.
async fn respond<F: Future<Output = Result<Computed, ComputeError>> + Send + 'static>(
    api: &Api,
    key: Key,
    compute: impl FnOnce() -> F + Send + 'static,
) -> Result<Response, ApiError> {
    // The state of a computing is large: a hit makes no room for it.
    let compute = lazy(move |_| compute().boxed()).flatten();
    let found = api.views.get(key, compute).await?;
    let outcome = HeaderValue::from_static(found.outcome.as_str());
    let headers = [(CONTENT_TYPE, JSON), (X_CACHE, outcome)];
    let tag = etag::quoted(found.key.revision());
    Ok(etag::with(tag, (headers, Body::from(found.body))))
}

/// Why there is no view.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ComputeError {
    #[error("the version was deleted since its revision was read")]
    Gone,
    #[error(transparent)]
    Store(StoreError),
    #[error("cannot write a view: {0}")]
    Broken(String),
}

impl From<ReadError<ComputeError>> for ApiError {
    fn from(error: ReadError<ComputeError>) -> Self {
        let failed = match error {
            ReadError::Overloaded => return Self::Overloaded("views are computed"),
            ReadError::Broken => return Self::Broken(error.to_string()),
            ReadError::Failed(failed) => failed,
        };
        match &*failed {
            ComputeError::Gone => Self::NotFound,
            ComputeError::Store(error) => error.clone().into(),
            ComputeError::Broken(_) => Self::Broken(failed.to_string()),
        }
    }
}

impl From<StoreError> for ComputeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

async fn existing(transaction: &Transaction, id: VersionId) -> Result<Version, ComputeError> {
    let found = versions::find(transaction, id).await?;
    found.ok_or(ComputeError::Gone)
}

fn json(view: &impl Serialize) -> Result<Bytes, ComputeError> {
    let json = serde_json::to_vec(view);
    json.map(Bytes::from)
        .map_err(|error| ComputeError::Broken(error.to_string()))
}

async fn comparison(
    transaction: Arc<Transaction>,
    base: VersionId,
    other: VersionId,
) -> Result<Computed, ComputeError> {
    let of = async |id| {
        let version = existing(&transaction, id).await?;
        let rows = aggregates::by_account(&transaction, id).await?;
        Ok::<_, ComputeError>((version, rows))
    };
    let (base, other) = (of(base).await?, of(other).await?);
    let (base_token, other_token) = (base.0.revision_token, other.0.revision_token);
    let key = comparison_key(base.0.id, other.0.id, base_token, other_token);
    let compared = Comparison::new((&base.0, base.1), (&other.0, other.1));
    Ok(Computed {
        key,
        body: json(&compared)?,
    })
}

fn comparison_key(
    base: VersionId,
    other: VersionId,
    base_token: RevisionToken,
    other_token: RevisionToken,
) -> Key {
    let revision = format!("{base_token}.{other_token}");
    Key::new("comparison", format!("{base}:{other}"), revision)
}

impl View {
    fn key(self, id: VersionId, token: RevisionToken) -> Key {
        match self {
            Self::Consolidation => Key::new("consolidation", id, token),
            Self::Summary => Key::new("summary", id, token),
            Self::Periods => Key::new("periods", id, token),
            Self::Period(period) => Key::new("period", format!("{id}:{period}"), token),
            Self::Income => Key::new("income", id, token),
        }
    }

    /// Reads revision and lines of one and the same state of the database. It
    /// may be newer than the one that was asked for.
    async fn compute(
        self,
        transaction: Arc<Transaction>,
        id: VersionId,
    ) -> Result<Computed, ComputeError> {
        let version = existing(&transaction, id).await?;
        let body = match self {
            Self::Consolidation => {
                let rows = aggregates::by_account(&transaction, id).await?;
                json(&Consolidation::new(&version, rows))?
            }
            Self::Income => {
                let rows = aggregates::by_account(&transaction, id).await?;
                json(&IncomeStatement::new(&version, rows))?
            }
            Self::Summary => {
                let sums = aggregates::by_category(&transaction, id).await?;
                json(&Summary::new(&version, &sums))?
            }
            Self::Periods => {
                let sums = aggregates::by_category(&transaction, id).await?;
                json(&PeriodStatement::all(id, &sums))?
            }
            Self::Period(period) => {
                let sums = aggregates::by_category(&transaction, id).await?;
                json(&PeriodStatement::new(id, period, &sums))?
            }
        };
        let key = self.key(id, version.revision_token);
        Ok(Computed { key, body })
    }
}
