//! Budget versions.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::body::JsonBody;
use super::error::ApiError;
use super::once::{About, Once, Reply};
use super::path::VersionPath;
use super::{Api, documents, etag};
use crate::auth::{Identity, Organizations};
use crate::budget::{
    Action, CloneRequest, NewVersion, OrganizationId, Page, Problem, Version, VersionChange,
    VersionId, VersionQuery, WorkingExists,
};
use crate::store::{StoreError, Transaction, lines, versions};

/// Versions, newest first.
#[utoipa::path(
    get, path = "/budget-versions", tag = "versions", params(VersionQuery, crate::budget::Paging),
    responses((status = 200, body = Page<Version>), documents::Always)
)]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    RawQuery(query): RawQuery,
) -> Result<Json<Page<Version>>, ApiError> {
    let query = VersionQuery::from_query(query.as_deref())?;
    let visible: Option<Vec<OrganizationId>> = match identity.organizations {
        Organizations::All => None,
        Organizations::Only(some) => Some(some.into_iter().collect()),
    };
    let (visible, query) = (visible.as_deref(), &query);
    let page = api
        .store
        .read(|transaction| async move { versions::list(&transaction, visible, query).await })
        .await?;
    Ok(Json(page))
}

/// Creates a version to work on. An organization has one of them a fiscal year.
#[utoipa::path(
    post, path = "/budget-versions", tag = "versions", request_body = NewVersion,
    params(documents::IdempotencyKey),
    responses(
        (status = 201, body = Version),
        (status = 404, description = "There is no such organization.", body = documents::Detail),
        (status = 409, description = "There is a working version of that year.", body = documents::Detail),
        documents::Always, documents::Writing, documents::Sending
    )
)]
pub(super) async fn create(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    once: Once,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let new = NewVersion::from_json(&body)?;
    let organization = organization(&identity, new.organization_id)?;
    let identity = &identity;
    let work = |transaction: Arc<Transaction>| async move {
        if let Some(parent) = new.parent_version_id {
            let parent = versions::find(&transaction, parent).await?;
            visible(parent, identity).map_err(|_| no_such_parent())?;
        }
        let version = insert(&transaction, organization, &new).await?;
        Reply::created(&version, etag::of(version.revision_token))
    };
    let about = About::Organization(organization);
    once.write(&api.store, identity, about, &body, work).await
}

/// A version.
#[utoipa::path(
    get, path = "/budget-versions/{id}", tag = "versions", params(VersionPath, documents::IfNoneMatch),
    responses((status = 200, body = Version), documents::Always, documents::OfVersion, documents::Tagged)
)]
pub(super) async fn read(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let found = api
        .store
        .read(|transaction| async move { versions::find(&transaction, path.id).await })
        .await?;
    let version = visible(found, &identity)?;
    Ok(etag::unless_known(
        &headers,
        etag::of(version.revision_token),
        || Json(version),
    ))
}

/// Changes the name and the notes of a working version.
#[utoipa::path(
    put, path = "/budget-versions/{id}", tag = "versions", request_body = VersionChange,
    params(VersionPath, documents::IfMatch),
    responses((status = 200, body = Version), documents::Always, documents::Writing, documents::Sending, documents::OfVersion, documents::Guarded)
)]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let change = VersionChange::from_json(&body)?;
    let (identity, headers, change) = (&identity, &headers, &change);
    let changed = api
        .store
        .write(|transaction| async move {
            claim(&transaction, path.id, identity, headers, Action::Edit).await?;
            let changed = versions::change(&transaction, path.id, change).await?;
            Ok::<_, ApiError>(changed)
        })
        .await?;
    Ok(etag::with(etag::of(changed.revision_token), Json(changed)))
}

/// Removes a version with its lines. What was ever approved stays.
#[utoipa::path(
    delete, path = "/budget-versions/{id}", tag = "versions",
    params(VersionPath, documents::IfMatch),
    responses((status = 204), documents::Always, documents::Writing, documents::OfVersion, documents::Guarded)
)]
pub(super) async fn delete(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (identity, headers) = (&identity, &headers);
    api.store
        .write(|transaction| async move {
            claim(&transaction, path.id, identity, headers, Action::Delete).await?;
            versions::delete(&transaction, path.id).await?;
            Ok::<_, ApiError>(StatusCode::NO_CONTENT)
        })
        .await
}

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident: $action:ident, $path:literal;)*) => {$(
        $(#[$doc])*
        #[utoipa::path(
            put, path = $path, tag = "versions", params(VersionPath, documents::IfMatch),
            responses((status = 200, body = Version), documents::Always, documents::Writing, documents::OfVersion, documents::Guarded)
        )]
        pub(super) async fn $name(
            State(api): State<Api>,
            Extension(identity): Extension<Identity>,
            path: VersionPath,
            headers: HeaderMap,
        ) -> Result<Response, ApiError> {
            step(&api, &identity, path.id, &headers, Action::$action).await
        }
    )*};
}

steps! {
    /// Submits a working version for approval.
    submit: Submit, "/budget-versions/{id}/submit";
    /// Approves a submitted version; for managers.
    approve: Approve, "/budget-versions/{id}/approve";
    /// Marks a version as replaced; an approved one for managers.
    supersede: Supersede, "/budget-versions/{id}/supersede";
}

async fn step(
    api: &Api,
    identity: &Identity,
    id: VersionId,
    headers: &HeaderMap,
    action: Action,
) -> Result<Response, ApiError> {
    identity.role.require(action.role())?;
    let stepped = api
        .store
        .write(|transaction| async move {
            let version = claim(&transaction, id, identity, headers, action).await?;
            let status = action.leads_to().unwrap_or(version.status);
            Ok::<_, ApiError>(versions::advance(&transaction, id, status, identity.user).await?)
        })
        .await?;
    Ok(etag::with(etag::of(stepped.revision_token), Json(stepped)))
}

/// Copies a version, with its lines unless told otherwise, into a new one to
/// work on.
#[utoipa::path(
    post, path = "/budget-versions/{id}/clone", tag = "versions", request_body = CloneRequest,
    params(VersionPath, documents::IfMatch, documents::IdempotencyKey),
    responses(
        (status = 201, body = Version),
        documents::OfVersion, documents::Guarded,
        (status = 409, description = "There is a working version of that year.", body = documents::Detail),
        documents::Always, documents::Writing, documents::Sending
    )
)]
pub(super) async fn clone(
    State(api): State<Api>,
    Extension(identity): Extension<Identity>,
    path: VersionPath,
    headers: HeaderMap,
    once: Once,
    JsonBody(body): JsonBody,
) -> Result<Reply, ApiError> {
    let request = CloneRequest::from_json(&body)?;
    let (identity, headers) = (&identity, &headers);
    let work = |transaction: Arc<Transaction>| async move {
        // All of the copy is of one state of the source.
        let source = visible(versions::hold(&transaction, path.id).await?, identity)?;
        etag::demand(headers, source.revision_token)?;
        let (fiscal_year, academic_year) = request.years(&source);
        let copy = NewVersion {
            name: request.name,
            fiscal_year,
            academic_year,
            notes: source.notes,
            is_baseline: false,
            parent_version_id: Some(source.id),
            organization_id: Some(source.organization_id),
        };
        let mut version = insert(&transaction, source.organization_id, &copy).await?;
        if request.clone_configuration {
            lines::copy(&transaction, source.id, version.id, identity.user).await?;
            // The lines have renewed its token.
            let renewed = versions::find(&transaction, version.id).await?;
            version = renewed.ok_or(ApiError::NotFound)?;
        }
        Reply::created(&version, etag::of(version.revision_token))
    };
    let about = About::Version(path.id);
    once.write(&api.store, identity, about, &body, work).await
}

/// A version, if whoever asks may know of it.
pub(super) fn visible(found: Option<Version>, identity: &Identity) -> Result<Version, ApiError> {
    found
        .filter(|version| identity.organizations.contains(version.organization_id))
        .ok_or(ApiError::NotFound)
}

/// Locks a version that something is to be done to, if it may be.
pub(super) async fn claim(
    transaction: &Transaction,
    id: VersionId,
    identity: &Identity,
    headers: &HeaderMap,
    action: Action,
) -> Result<Version, ApiError> {
    let version = visible(versions::lock(transaction, id).await?, identity)?;
    etag::demand(headers, version.revision_token)?;
    identity.role.require(action.role_on(version.status))?;
    action.check(&version)?;
    Ok(version)
}

/// The organization of a new version.
fn organization(
    identity: &Identity,
    wanted: Option<OrganizationId>,
) -> Result<OrganizationId, ApiError> {
    match (wanted, &identity.organizations) {
        (Some(wanted), organizations) if organizations.contains(wanted) => Ok(wanted),
        (Some(_), _) => Err(ApiError::NotFound),
        (None, Organizations::All) => Ok(OrganizationId::SINGLE),
        (None, Organizations::Only(some)) => match some.iter().next() {
            Some(only) if some.len() == 1 => Ok(*only),
            _ => Err(Problem {
                loc: vec!["body".into(), "organization_id".into()],
                msg: "Field required: the token names none, or more than one".to_owned(),
                kind: "missing",
            }
            .into()),
        },
    }
}

async fn insert(
    transaction: &Transaction,
    organization: OrganizationId,
    new: &NewVersion,
) -> Result<Version, ApiError> {
    let inserted = versions::insert(transaction, organization, new).await;
    inserted.map_err(|error| match error {
        StoreError::Conflict { constraint } if constraint == versions::ONE_WORKING => {
            let fiscal_year = new.fiscal_year;
            WorkingExists { fiscal_year }.into()
        }
        // It was deleted in this very moment.
        StoreError::Conflict { constraint } if constraint == versions::PARENT => no_such_parent(),
        error => error.into(),
    })
}

fn no_such_parent() -> ApiError {
    Problem {
        loc: vec!["body".into(), "parent_version_id".into()],
        msg: "There is no such version".to_owned(),
        kind: "value_error",
    }
    .into()
}
