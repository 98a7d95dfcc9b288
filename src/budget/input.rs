//! Reading what a client sent: every problem of every field is told, and
//! nothing is taken for something it is not.

mod check;
mod fields;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::str::FromStr;

pub(super) use fields::{Fields, items};

use super::vocabulary::Word;
use super::{AccountCode, Amount, Loc, Problem, StatementPeriod};

/// Why a value is refused, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: &'static str,
    pub(super) msg: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(kind: &'static str, msg: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            msg: msg.into(),
        }
    }

    pub(super) fn missing() -> Self {
        Self::new("missing", "Field required")
    }

    pub(super) fn unexpected() -> Self {
        Self::new("extra_forbidden", "Extra inputs are not permitted")
    }

    pub(super) fn duplicate() -> Self {
        Self::new("duplicate", "Field is given more than once")
    }

    pub(super) fn at(self, loc: Vec<Loc>) -> Problem {
        Problem {
            loc,
            msg: self.msg.into_owned(),
            kind: self.kind,
        }
    }
}

/// A value as it was sent.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// The text of a JSON value: numbers keep every digit that way.
    Json(&'a str),
    /// The value of a query parameter.
    Text(Cow<'a, str>),
}

impl Value<'_> {
    fn is_null(&self) -> bool {
        matches!(self, Self::Json("null"))
    }

    /// The characters of a string.
    fn text(&self) -> Result<Cow<'_, str>, Fault> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Json(json) if !json.starts_with('"') => {
                Err(Fault::new("string_type", "Input should be a valid string"))
            }
            Self::Json(json) => serde_json::from_str(json).map(Cow::Owned).map_err(|_| {
                Fault::new(
                    "string_unicode",
                    "Input should be a valid string, unable to parse raw data as a unicode string",
                )
            }),
        }
    }

    /// The digits of a number, which may stand in a string.
    fn digits(&self, otherwise: Fault) -> Result<Cow<'_, str>, Fault> {
        match self {
            Self::Json(json) if json.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                Ok(Cow::Borrowed(json))
            }
            _ => self.text().map_err(|_| otherwise),
        }
    }

    /// A name of at most so many characters.
    pub(super) fn name(&self, maximum: usize) -> Result<String, Fault> {
        check::name(&self.text()?, maximum)
    }

    /// Notes; empty ones are none.
    pub(super) fn notes(&self) -> Result<Option<String>, Fault> {
        check::notes(&self.text()?)
    }

    pub(super) fn word<W: Word>(&self) -> Result<W, Fault> {
        check::word(&self.text()?)
    }

    pub(super) fn uuid<I: FromStr<Err = uuid::Error>>(&self) -> Result<I, Fault> {
        check::uuid(&self.text()?)
    }

    pub(super) fn account_code(&self) -> Result<AccountCode, Fault> {
        check::account_code(&self.text()?)
    }

    pub(super) fn integer(&self, minimum: i32, maximum: i32) -> Result<i32, Fault> {
        let otherwise = Fault::new("int_type", "Input should be a valid integer");
        check::integer(&self.digits(otherwise)?, minimum, maximum)
    }

    pub(super) fn amount(&self) -> Result<Amount, Fault> {
        let otherwise = Fault::new(
            "decimal_type",
            "Decimal input should be an integer, float, string or Decimal object",
        );
        check::amount(&self.digits(otherwise)?)
    }

    pub(super) fn boolean(&self) -> Result<bool, Fault> {
        match self {
            Self::Json("true") => Ok(true),
            Self::Json("false") => Ok(false),
            _ => Err(Fault::new("bool_type", "Input should be a valid boolean")),
        }
    }
}

/// The identifier in a path, whose place has a name.
pub fn path_id<I: FromStr<Err = uuid::Error>>(
    name: &'static str,
    text: &str,
) -> Result<I, Problem> {
    check::uuid(text).map_err(|fault| fault.at(vec!["path".into(), name.into()]))
}

/// The period in the path of a statement.
pub fn path_period(text: &str) -> Result<StatementPeriod, Problem> {
    check::word(text).map_err(|fault| fault.at(vec!["path".into(), "period".into()]))
}
