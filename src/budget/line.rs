//! Lines of a version.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Amount, Category, LineId, Period, UserId, VersionId};

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
    pub notes: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub created_by_id: UserId,
}

/// A line to be added.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
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
