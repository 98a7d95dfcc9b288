//! The lines of a version.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body::{ImportBody, JsonBody};
use super::error::ApiError;
use super::once::{About, Once, Reply};
use super::path::{LinePath, VersionPath};
use super::versions::{claim, visible};
use super::{Api, documents, etag};
use crate::auth::Identity;
use crate::budget::{Action, Line, LineChange, LineQuery, NewLine, NewLines, Page, csv};
use crate::store::lines::Export;
use crate::store::{Access, Transaction, lines, versions};

const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

/// The lines of a version, by account. As `text/csv` it is all that were asked
/// for, without pages.
#[utoipa::path(
    get, path = "/budget-versions/{id}/lines", tag = "lines",
    params(VersionPath, LineQuery, crate::budget::Paging, documents::IfNoneMatch),
    responses(
        (status = 200, content((Page<Line> = "application/json"), (String = "text/csv"))),
        documents::Always, documents::OfVersion, documents::Tagged
    )
)]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = LineQuery::from_query(query.as_deref())?;
    let listed = if wants_csv(&headers) {
        export(&api, &identity, path, &query, &headers).await
    } else {
        page(&api, &identity, path, &query, &headers).await
    };
    let mut response = listed?;
    response.headers_mut().append(VARY, ACCEPT.into());
    Ok(response)
}

async fn page(
    api: &Api,
    identity: &Identity,
    path: VersionPath,
    query: &LineQuery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let read = |transaction: Arc<Transaction>| async move {
        let version = visible(versions::find(&transaction, path.id).await?, identity)?;
        let tag = etag::of(version.revision_token);
        if etag::is_known(headers, &tag) {
            return Ok((tag, None));
        }
        let page = lines::list(&transaction, path.id, query).await?;
        Ok::<_, ApiError>((tag, Some(page)))
    };
    let (tag, page) = api.store.read(read).await?;
    Ok(match page {
        Some(page) => etag::with(tag, Json(page)),
        None => etag::with(tag, StatusCode::NOT_MODIFIED),
    })
}

/// Adds a line, or several: all of them or none. As `text/csv` up to 100,000.
#[utoipa::path(
    post, path = "/budget-versions/{id}/lines", tag = "lines",
    request_body(content((NewLines = "application/json"), (String = "text/csv"))),
    params(VersionPath, documents::IfMatch, documents::IdempotencyKey),
    responses(
        (status = 201, description = "The line, the lines, or for CSV how many they are.", body = NewLinesAnswer),
        documents::Always, documents::Writing, documents::Sending, documents::OfVersion, documents::Guarded
    )
)]
pub(super) async fn add(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
    once: Once,
    body: ImportBody,
) -> Result<Reply, ApiError> {
    let sent = body.bytes().clone();
    let (shape, new) = parse(body).await?;
    let (identity, headers, new) = (&identity, &headers, &new);
    let work = |transaction: Arc<Transaction>| async move {
        claim(&transaction, path.id, identity, headers, Action::Edit).await?;
        let ids = lines::insert(&transaction, path.id, identity.user, new).await?;
        // The lines have renewed its token.
        let version = versions::find(&transaction, path.id).await?;
        let tag = etag::of(version.ok_or(ApiError::NotFound)?.revision_token);
        if shape == Shape::Csv {
            return Reply::created(&json!({ "created": ids.len() }), tag);
        }
        let mut added = lines::find(&transaction, &ids).await?;
        match (shape, added.pop()) {
            (Shape::One, Some(line)) => Reply::created(&line, tag),
            (_, last) => {
                added.extend(last);
                Reply::created(&added, tag)
            }
        }
    };
    let about = About::Version(path.id);
    once.write(&api.store, identity, about, &sent, work).await
}

/// What lines were sent as, and what is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    Many,
    Csv,
}

/// The answer to new lines.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "carries a description")]
pub(super) enum NewLinesAnswer {
    One(Line),
    Many(Vec<Line>),
    Csv { created: usize },
}

/// A large body takes a while, during which others are to be answered.
async fn parse(body: ImportBody) -> Result<(Shape, Vec<NewLine>), ApiError> {
    let parse = move || {
        Ok(match body {
            ImportBody::Csv(bytes) => (Shape::Csv, csv::parse(&bytes)?),
            ImportBody::Json(bytes) => match NewLines::from_json(&bytes)? {
                NewLines::One(line) => (Shape::One, vec![line]),
                NewLines::Many(lines) => (Shape::Many, lines),
            },
        })
    };
    tokio::task::spawn_blocking(parse)
        .await
        .map_err(|error| ApiError::Broken(format!("cannot parse lines: {error}")))?
}

/// Changes a line of a working version.
#[utoipa::path(
    put, path = "/budget-versions/{id}/lines/{line_id}", tag = "lines", request_body = LineChange,
    params(LinePath, documents::IfMatch),
    responses((status = 200, body = Line), documents::Always, documents::Writing, documents::Sending, documents::OfVersion, documents::Guarded)
)]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: LinePath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let change = LineChange::from_json(&body)?;
    let (identity, headers, change) = (&identity, &headers, &change);
    let work = |transaction: Arc<Transaction>| async move {
        claim(&transaction, path.id, identity, headers, Action::Edit).await?;
        let line = lines::change(&transaction, path.id, path.line_id, change).await?;
        let line = line.ok_or(ApiError::NotFound)?;
        let version = versions::find(&transaction, path.id).await?;
        let tag = etag::of(version.ok_or(ApiError::NotFound)?.revision_token);
        Ok::<_, ApiError>(etag::with(tag, Json(line)))
    };
    api.store.write(work).await
}

/// Removes a line of a working version.
#[utoipa::path(
    delete, path = "/budget-versions/{id}/lines/{line_id}", tag = "lines",
    params(LinePath, documents::IfMatch),
    responses((status = 204), documents::Always, documents::Writing, documents::OfVersion, documents::Guarded)
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: LinePath,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (identity, headers) = (&identity, &headers);
    let work = |transaction: Arc<Transaction>| async move {
        claim(&transaction, path.id, identity, headers, Action::Edit).await?;
        if lines::delete(&transaction, path.id, path.line_id).await? {
            Ok(StatusCode::NO_CONTENT)
        } else {
            Err(ApiError::NotFound)
        }
    };
    api.store.write(work).await
}

/// Streams lines. Each export holds a connection of the pool for as long
/// as its client reads, so only some of the pool is lent to them.
async fn export(
    api: &Api,
    identity: &Identity,
    path: VersionPath,
    query: &LineQuery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let permit = timeout(api.pool_timeout, api.exports.clone().acquire_owned()).await;
    let Ok(Ok(permit)) = permit else {
        return Err(ApiError::Overloaded("exports"));
    };
    let transaction = api.store.begin(Access::Read).await?;
    let version = visible(versions::find(&transaction, path.id).await?, identity)?;
    let tag = etag::of_csv(version.revision_token);
    if etag::is_known(headers, &tag) {
        return Ok(etag::with(tag, StatusCode::NOT_MODIFIED));
    }
    let export = Export::begin(transaction, path.id, query).await?;
    let header = csv::header().map_err(broken)?;
    let content = Body::from_stream(stream::try_unfold(Some((export, permit, header)), piece));
    Ok(etag::with(tag, ([(CONTENT_TYPE, CSV)], content)))
}

type Exporting = Option<(Export, OwnedSemaphorePermit, Vec<u8>)>;

/// The next piece of CSV. An error cuts the response short, which its client
/// can tell from its end.
async fn piece(state: Exporting) -> Result<Option<(Vec<u8>, Exporting)>, ApiError> {
    let Some((export, permit, mut text)) = state else {
        return Ok(None);
    };
    let lines = export.next().await?;
    text.extend(csv::rows(&lines).map_err(broken)?);
    let rest = (!lines.is_empty()).then_some((export, permit, Vec::new()));
    Ok(Some((text, rest)))
}

#[allow(clippy::needless_pass_by_value, reason = "it maps errors")]
fn broken(error: std::io::Error) -> ApiError {
    ApiError::Broken(format!("cannot write CSV: {error}"))
}

/// Whether CSV is asked for at least as much as JSON (RFC 9110, 12.5.1). Who
/// takes anything gets JSON.
fn wants_csv(headers: &HeaderMap) -> bool {
    let (mut csv, mut json) = (0.0, None);
    let mut anything: f32 = 0.0;
    let accepted = headers.get_all(ACCEPT).into_iter();
    for range in accepted.flat_map(|value| value.to_str().unwrap_or_default().split(',')) {
        let range = range.to_ascii_lowercase();
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default();
        let weight = parts
            .filter_map(|part| part.strip_prefix("q="))
            .find_map(|weight| weight.parse::<f32>().ok())
            .unwrap_or(1.0);
        match range {
            "text/csv" => csv = weight,
            "application/json" => json = Some(weight),
            "application/*" | "*/*" => anything = anything.max(weight),
            _ => {}
        }
    }
    csv > 0.0 && csv >= json.unwrap_or(anything)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_is_sent_to_who_asks_for_it() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            wants_csv(&headers)
        };
        assert!(!wants_csv(&HeaderMap::new()));
        assert!(wants("text/csv"));
        assert!(wants("Text/CSV; q=0.9, */*;q=0.1"));
        assert!(wants("text/csv, application/json"));
        assert!(!wants("text/csv;q=0.5, application/json"));
        assert!(!wants("text/csv;q=0"));
        assert!(!wants("text/csv;Q=0"));
        assert!(!wants("*/*, text/csv;q=0.1"));
        assert!(wants("*/*;q=0.1, text/csv;q=0.1, application/json;q=0"));
        assert!(!wants("*/*"));
        assert!(!wants("text/html, application/json"));
    }
}
