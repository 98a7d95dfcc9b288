//! Versions of a year's budget.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{OrganizationId, RevisionToken, UserId, VersionId, VersionStatus};

/// A version of a year's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Version {
    pub id: VersionId,
    pub organization_id: OrganizationId,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[schema(minimum = 2020, maximum = 2100)]
    pub fiscal_year: i32,
    #[schema(max_length = 20, example = "2025-2026")]
    pub academic_year: String,
    pub notes: Option<String>,
    pub status: VersionStatus,
    pub is_baseline: bool,
    pub parent_version_id: Option<VersionId>,
    pub submitted_at: Option<Timestamp>,
    pub submitted_by_id: Option<UserId>,
    pub approved_at: Option<Timestamp>,
    pub approved_by_id: Option<UserId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision_token: RevisionToken,
}

/// A version to be made. It begins as `working`.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct NewVersion {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[schema(minimum = 2020, maximum = 2100)]
    pub fiscal_year: i32,
    /// Left out, it is the year before and the fiscal year: `2025-2026`.
    #[schema(required = false, max_length = 20)]
    pub academic_year: String,
    #[schema(max_length = 10_000)]
    pub notes: Option<String>,
    #[schema(required = false)]
    pub is_baseline: bool,
    pub parent_version_id: Option<VersionId>,
    /// Left out, it is the one that the token names.
    pub organization_id: Option<OrganizationId>,
}

/// What to change of a version; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, ToSchema)]
pub struct VersionChange {
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// `null` removes them.
    #[schema(value_type = Option<String>, max_length = 10_000)]
    pub notes: Option<Option<String>>,
}

/// How a version is copied into a new one.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct CloneRequest {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Left out, it is that of the source.
    #[schema(minimum = 2020, maximum = 2100)]
    pub fiscal_year: Option<i32>,
    /// Left out, it follows from the fiscal year.
    #[schema(max_length = 20)]
    pub academic_year: Option<String>,
    /// Whether the lines are copied; left out, they are.
    #[schema(required = false)]
    pub clone_configuration: bool,
}

/// The academic year that ends in a fiscal year: `2025-2026` for 2026.
fn academic_year(fiscal_year: i32) -> String {
    format!("{}-{fiscal_year}", fiscal_year - 1)
}

impl CloneRequest {
    /// The fiscal and the academic year of the copy of a source.
    pub fn years(&self, source: &Version) -> (i32, String) {
        let fiscal_year = self.fiscal_year.unwrap_or(source.fiscal_year);
        let academic_year = match &self.academic_year {
            Some(academic_year) => academic_year.clone(),
            None if fiscal_year == source.fiscal_year => source.academic_year.clone(),
            None => academic_year(fiscal_year),
        };
        (fiscal_year, academic_year)
    }
}
