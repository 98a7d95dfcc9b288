//! Lines of a version.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::input::{Fault, Fields, Value, items};
use super::{Amount, Category, LineId, Paging, Period, Problems, UserId, VersionId};

/// An account of the French school chart of accounts: 2 to 10 digits. Its
/// order is that of the chart, in which `641` stands inside `64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(pattern = "^[0-9]{2,10}$", example = "641100")]
pub struct AccountCode(String);

/// A text that is no account code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("String should match pattern '^[0-9]{{2,10}}$'")]
pub struct InvalidAccountCode;

impl AccountCode {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountCode {
    type Err = InvalidAccountCode;

    fn from_str(text: &str) -> Result<Self, InvalidAccountCode> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        if digits && (2..=10).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountCode)
        }
    }
}

impl fmt::Display for AccountCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A line of a version: an amount on an account in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Line {
    pub id: LineId,
    pub budget_version_id: VersionId,
    pub account_code: AccountCode,
    #[schema(min_length = 1, max_length = 200)]
    pub account_name: String,
    pub category: Category,
    pub period: Period,
    pub amount_sar: Amount,
    #[schema(required)]
    pub notes: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// `null` of a line that was not made over this API.
    pub created_by_id: Option<UserId>,
}

/// A line to be added.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    pub account_code: AccountCode,
    #[schema(min_length = 1, max_length = 200)]
    pub account_name: String,
    pub category: Category,
    pub period: Period,
    pub amount_sar: Amount,
    #[schema(max_length = 10_000)]
    pub notes: Option<String>,
}

/// What to change of a line; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineChange {
    pub account_code: Option<AccountCode>,
    #[schema(min_length = 1, max_length = 200)]
    pub account_name: Option<String>,
    pub category: Option<Category>,
    pub period: Option<Period>,
    pub amount_sar: Option<Amount>,
    /// `null` removes them.
    #[schema(value_type = Option<String>, max_length = 10_000)]
    pub notes: Option<Option<String>>,
}

/// What a request adds.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[serde(untagged)]
pub enum NewLines {
    One(NewLine),
    Many(Vec<NewLine>),
}

/// Which lines of a version are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LineQuery {
    #[param(ignore)]
    pub paging: Paging,
    pub category: Option<Category>,
    pub account_code: Option<AccountCode>,
    pub period: Option<Period>,
}

/// How many lines one request may add.
pub const MAXIMUM_LINES: usize = 100_000;

/// The name of an account.
pub(super) fn account_name(value: &Value<'_>) -> Result<String, Fault> {
    value.name(200)
}

impl NewLine {
    fn read(mut fields: Fields<'_>) -> Result<Self, Problems> {
        let account_code = fields.required("account_code", Value::account_code);
        let account_name = fields.required("account_name", account_name);
        let category = fields.required("category", Value::word);
        let period = fields.required("period", Value::word);
        let amount_sar = fields.required("amount_sar", Value::amount);
        let notes = fields.optional("notes", Value::notes);
        fields.finish(|| {
            Some(Self {
                account_code: account_code?,
                account_name: account_name?,
                category: category?,
                period: period?,
                amount_sar: amount_sar?,
                notes: notes.flatten(),
            })
        })
    }
}

impl NewLines {
    /// Reads the JSON body of a request: a line, or an array of them.
    pub fn from_json(body: &[u8]) -> Result<Self, Problems> {
        if body.trim_ascii_start().starts_with(b"[") {
            items(body, MAXIMUM_LINES, NewLine::read).map(Self::Many)
        } else {
            NewLine::read(Fields::of_body(body)?).map(Self::One)
        }
    }
}

impl LineChange {
    /// Reads the JSON body of a request.
    pub fn from_json(body: &[u8]) -> Result<Self, Problems> {
        let mut fields = Fields::of_body(body)?;
        let change = Self {
            account_code: fields.optional("account_code", Value::account_code),
            account_name: fields.optional("account_name", account_name),
            category: fields.optional("category", Value::word),
            period: fields.optional("period", Value::word),
            amount_sar: fields.optional("amount_sar", Value::amount),
            notes: fields.nullable("notes", Value::notes),
        };
        fields.finish(|| Some(change))
    }
}

impl LineQuery {
    /// Reads the query of a request.
    pub fn from_query(query: Option<&str>) -> Result<Self, Problems> {
        let mut fields = Fields::of_query(query);
        let read = Self {
            paging: Paging::read(&mut fields),
            category: fields.optional("category", Value::word),
            account_code: fields.optional("account_code", Value::account_code),
            period: fields.optional("period", Value::word),
        };
        fields.finish(|| Some(read))
    }
}
