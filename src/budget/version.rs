//! Versions of a year's budget.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::input::{Fault, Fields, Value};
use super::{OrganizationId, Paging, Problems, RevisionToken, UserId, VersionId, VersionStatus};

/// A version of a year's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Version {
    pub id: VersionId,
    pub organization_id: OrganizationId,
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[schema(minimum = 2020, maximum = 2100)]
    pub fiscal_year: i32,
    #[schema(min_length = 1, max_length = 20, example = "2025-2026")]
    pub academic_year: String,
    #[schema(required)]
    pub notes: Option<String>,
    pub status: VersionStatus,
    pub is_baseline: bool,
    #[schema(required)]
    pub parent_version_id: Option<VersionId>,
    #[schema(required)]
    pub submitted_at: Option<Timestamp>,
    #[schema(required)]
    pub submitted_by_id: Option<UserId>,
    #[schema(required)]
    pub approved_at: Option<Timestamp>,
    #[schema(required)]
    pub approved_by_id: Option<UserId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision_token: RevisionToken,
}

/// A version to be made. It begins as `working`.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    #[schema(minimum = 2020, maximum = 2100)]
    pub fiscal_year: i32,
    /// Left out, it is the year before and the fiscal year: `2025-2026`.
    #[schema(required = false, min_length = 1, max_length = 20)]
    pub academic_year: String,
    #[schema(max_length = 10_000)]
    pub notes: Option<String>,
    #[schema(required = false, default = false)]
    pub is_baseline: bool,
    pub parent_version_id: Option<VersionId>,
    /// Left out, it is the one that the token names.
    pub organization_id: Option<OrganizationId>,
}

/// What to change of a version; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionChange {
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// `null` removes them.
    #[schema(value_type = Option<String>, max_length = 10_000)]
    pub notes: Option<Option<String>>,
}

/// How a version is copied into a new one.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloneRequest {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Left out, it is that of the source.
    #[schema(minimum = 2020, maximum = 2100)]
    pub fiscal_year: Option<i32>,
    /// Left out, it follows from the fiscal year.
    #[schema(min_length = 1, max_length = 20)]
    pub academic_year: Option<String>,
    /// Whether the lines are copied; left out, they are.
    #[schema(required = false, default = true)]
    pub clone_configuration: bool,
}

/// Which versions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VersionQuery {
    #[param(ignore)]
    pub paging: Paging,
    #[param(minimum = 2020, maximum = 2100)]
    pub fiscal_year: Option<i32>,
    pub status: Option<VersionStatus>,
    pub organization_id: Option<OrganizationId>,
}

/// Which versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ComparisonQuery {
    pub base: VersionId,
    pub other: VersionId,
}

fn name(value: &Value<'_>) -> Result<String, Fault> {
    value.name(100)
}

fn fiscal_year(value: &Value<'_>) -> Result<i32, Fault> {
    value.integer(2020, 2100)
}

fn academic_year(value: &Value<'_>) -> Result<String, Fault> {
    value.name(20)
}

impl NewVersion {
    /// Reads the JSON body of a request.
    pub fn from_json(body: &[u8]) -> Result<Self, Problems> {
        let mut fields = Fields::of_body(body)?;
        let name = fields.required("name", name);
        let fiscal_year = fields.required("fiscal_year", fiscal_year);
        let academic_year = fields.optional("academic_year", academic_year);
        let notes = fields.optional("notes", Value::notes);
        let is_baseline = fields.optional("is_baseline", Value::boolean);
        let parent_version_id = fields.optional("parent_version_id", Value::uuid);
        let organization_id = fields.optional("organization_id", Value::uuid);
        fields.finish(|| {
            let fiscal_year = fiscal_year?;
            Some(Self {
                name: name?,
                fiscal_year,
                academic_year: academic_year.unwrap_or_else(|| ending_in(fiscal_year)),
                notes: notes.flatten(),
                is_baseline: is_baseline.unwrap_or(false),
                parent_version_id,
                organization_id,
            })
        })
    }
}

impl VersionChange {
    /// Reads the JSON body of a request.
    pub fn from_json(body: &[u8]) -> Result<Self, Problems> {
        let mut fields = Fields::of_body(body)?;
        let change = Self {
            name: fields.optional("name", name),
            notes: fields.nullable("notes", Value::notes),
        };
        fields.finish(|| Some(change))
    }
}

impl CloneRequest {
    /// Reads the JSON body of a request.
    pub fn from_json(body: &[u8]) -> Result<Self, Problems> {
        let mut fields = Fields::of_body(body)?;
        let name = fields.required("name", name);
        let fiscal_year = fields.optional("fiscal_year", fiscal_year);
        let academic_year = fields.optional("academic_year", academic_year);
        let clone_configuration = fields.optional("clone_configuration", Value::boolean);
        fields.finish(|| {
            Some(Self {
                name: name?,
                fiscal_year,
                academic_year,
                clone_configuration: clone_configuration.unwrap_or(true),
            })
        })
    }

    /// The fiscal and the academic year of the copy of a source.
    pub fn years(&self, source: &Version) -> (i32, String) {
        let fiscal_year = self.fiscal_year.unwrap_or(source.fiscal_year);
        let academic_year = match &self.academic_year {
            Some(academic_year) => academic_year.clone(),
            None if fiscal_year == source.fiscal_year => source.academic_year.clone(),
            None => ending_in(fiscal_year),
        };
        (fiscal_year, academic_year)
    }
}

impl VersionQuery {
    /// Reads the query of a request.
    pub fn from_query(query: Option<&str>) -> Result<Self, Problems> {
        let mut fields = Fields::of_query(query);
        let read = Self {
            paging: Paging::read(&mut fields),
            fiscal_year: fields.optional("fiscal_year", fiscal_year),
            status: fields.optional("status", Value::word),
            organization_id: fields.optional("organization_id", Value::uuid),
        };
        fields.finish(|| Some(read))
    }
}

impl ComparisonQuery {
    /// Reads the query of a request.
    pub fn from_query(query: Option<&str>) -> Result<Self, Problems> {
        let mut fields = Fields::of_query(query);
        let base = fields.required("base", Value::uuid);
        let other = fields.required("other", Value::uuid);
        fields.finish(|| {
            Some(Self {
                base: base?,
                other: other?,
            })
        })
    }
}

/// The academic year that ends in a fiscal year: `2025-2026` for 2026.
fn ending_in(fiscal_year: i32) -> String {
    format!("{}-{fiscal_year}", fiscal_year - 1)
}

#[cfg(test)]
pub(super) mod tests;
