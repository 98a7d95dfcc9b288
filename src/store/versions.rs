//! Budget versions.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::row::{column, count_of, word};
use super::{StoreError, Transaction};
use crate::budget::{
    NewVersion, OrganizationId, Page, UserId, Version, VersionChange, VersionId, VersionQuery,
    VersionStatus,
};

/// The constraint that allows one working version a year.
pub const ONE_WORKING: &str = "budget_versions_one_working";
/// The constraint that a parent exists.
pub const PARENT: &str = "budget_versions_parent";

const COLUMNS: &str = "id, organization_id, name, fiscal_year, academic_year, notes, status, \
     is_baseline, parent_version_id, submitted_at, submitted_by_id, approved_at, approved_by_id, \
     created_at, updated_at, revision_token";

/// A page of versions, newest first, of the organizations that may be seen;
/// `None` is all.
pub async fn list(
    transaction: &Transaction,
    organizations: Option<&[OrganizationId]>,
    query: &VersionQuery,
) -> Result<Page<Version>, StoreError> {
    const WHERE: &str = "($1::uuid[] IS NULL OR organization_id = ANY ($1)) \
         AND ($2::uuid IS NULL OR organization_id = $2) \
         AND ($3::int4 IS NULL OR fiscal_year = $3) AND ($4::text IS NULL OR status = $4)";
    let organizations: Option<Vec<Uuid>> =
        organizations.map(|ids| ids.iter().map(|id| id.uuid()).collect());
    let organization = query.organization_id.map(OrganizationId::uuid);
    let status = query.status.map(VersionStatus::as_str);
    let (limit, offset) = (query.paging.limit(), query.paging.offset());
    let rows = format!(
        "SELECT {COLUMNS} FROM budgetd.budget_versions WHERE {WHERE} \
         ORDER BY created_at DESC, id DESC LIMIT $5 OFFSET $6"
    );
    let count = format!("SELECT count(*) AS total FROM budgetd.budget_versions WHERE {WHERE}");
    let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
        (&organizations, Type::UUID_ARRAY),
        (&organization, Type::UUID),
        (&query.fiscal_year, Type::INT4),
        (&status, Type::TEXT),
        (&limit, Type::INT8),
        (&offset, Type::INT8),
    ];
    let (rows, total) = tokio::try_join!(
        transaction.rows(&rows, &parameters),
        transaction.row(&count, &parameters[..4])
    )?;
    let versions = rows.iter().map(version).collect::<Result<_, _>>()?;
    Ok(query.paging.page(versions, count_of(&total)?))
}

pub async fn find(transaction: &Transaction, id: VersionId) -> Result<Option<Version>, StoreError> {
    look(transaction, id, "").await
}

/// Finds a version and keeps others from writing it, or anything below it,
/// until the transaction ends.
pub async fn lock(transaction: &Transaction, id: VersionId) -> Result<Option<Version>, StoreError> {
    look(transaction, id, " FOR UPDATE").await
}

/// Finds a version and keeps it, and everything below it, as it is until the
/// transaction ends.
pub async fn hold(transaction: &Transaction, id: VersionId) -> Result<Option<Version>, StoreError> {
    look(transaction, id, " FOR SHARE").await
}

async fn look(
    transaction: &Transaction,
    id: VersionId,
    lock: &str,
) -> Result<Option<Version>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM budgetd.budget_versions WHERE id = $1{lock}");
    let row = transaction
        .optional_row(&sql, &[(&id.uuid(), Type::UUID)])
        .await?;
    row.as_ref().map(version).transpose()
}

/// Adds a version of `organization`.
pub async fn insert(
    transaction: &Transaction,
    organization: OrganizationId,
    new: &NewVersion,
) -> Result<Version, StoreError> {
    let sql = format!(
        "INSERT INTO budgetd.budget_versions \
         (organization_id, name, fiscal_year, academic_year, notes, is_baseline, parent_version_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"
    );
    let parent = new.parent_version_id.map(VersionId::uuid);
    let row = transaction
        .row(
            &sql,
            &[
                (&organization.uuid(), Type::UUID),
                (&new.name, Type::TEXT),
                (&new.fiscal_year, Type::INT4),
                (&new.academic_year, Type::TEXT),
                (&new.notes, Type::TEXT),
                (&new.is_baseline, Type::BOOL),
                (&parent, Type::UUID),
            ],
        )
        .await?;
    version(&row)
}

/// Changes a version that was locked.
pub async fn change(
    transaction: &Transaction,
    id: VersionId,
    change: &VersionChange,
) -> Result<Version, StoreError> {
    let sql = format!(
        "UPDATE budgetd.budget_versions SET name = coalesce($2, name), \
         notes = CASE WHEN $3 THEN $4 ELSE notes END WHERE id = $1 RETURNING {COLUMNS}"
    );
    let notes = change.notes.as_ref().and_then(Option::as_deref);
    let row = transaction
        .row(
            &sql,
            &[
                (&id.uuid(), Type::UUID),
                (&change.name, Type::TEXT),
                (&change.notes.is_some(), Type::BOOL),
                (&notes, Type::TEXT),
            ],
        )
        .await?;
    version(&row)
}

/// Moves a version that was locked to `status`, and writes down who submitted
/// or approved it.
pub async fn advance(
    transaction: &Transaction,
    id: VersionId,
    status: VersionStatus,
    user: UserId,
) -> Result<Version, StoreError> {
    let signed = match status {
        VersionStatus::Submitted => ", submitted_at = now(), submitted_by_id = $3",
        VersionStatus::Approved => ", approved_at = now(), approved_by_id = $3",
        _ => "",
    };
    let sql = format!(
        "UPDATE budgetd.budget_versions SET status = $2{signed} \
         WHERE id = $1 AND $3::uuid IS NOT NULL RETURNING {COLUMNS}"
    );
    let row = transaction
        .row(
            &sql,
            &[
                (&id.uuid(), Type::UUID),
                (&status.as_str(), Type::TEXT),
                (&user.uuid(), Type::UUID),
            ],
        )
        .await?;
    version(&row)
}

/// Removes a version with its lines.
pub async fn delete(transaction: &Transaction, id: VersionId) -> Result<(), StoreError> {
    transaction
        .execute(
            "DELETE FROM budgetd.budget_versions WHERE id = $1",
            &[(&id.uuid(), Type::UUID)],
        )
        .await
        .map(drop)
}

fn version(row: &Row) -> Result<Version, StoreError> {
    let user = |name| Ok::<_, StoreError>(column::<Option<Uuid>>(row, name)?.map(UserId::new));
    Ok(Version {
        id: column::<Uuid>(row, "id")?.into(),
        organization_id: column::<Uuid>(row, "organization_id")?.into(),
        name: column(row, "name")?,
        fiscal_year: column(row, "fiscal_year")?,
        academic_year: column(row, "academic_year")?,
        notes: column(row, "notes")?,
        status: word(row, "status")?,
        is_baseline: column(row, "is_baseline")?,
        parent_version_id: column::<Option<Uuid>>(row, "parent_version_id")?.map(VersionId::new),
        submitted_at: column(row, "submitted_at")?,
        submitted_by_id: user("submitted_by_id")?,
        approved_at: column(row, "approved_at")?,
        approved_by_id: user("approved_by_id")?,
        created_at: column(row, "created_at")?,
        updated_at: column(row, "updated_at")?,
        revision_token: column::<Uuid>(row, "revision_token")?.into(),
    })
}
