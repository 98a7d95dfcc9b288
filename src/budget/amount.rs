//! Money: decimal from end to end, never a float.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An amount in Saudi riyals with exactly two decimals, written `"45678000.00"`
/// in JSON.
///
/// What is read from text fits `numeric(15,2)`, which is what a line holds.
/// Sums may be larger: there is room for 10^13 lines of the largest amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Amount(Decimal);

/// Why a text or a number is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("Input should be a valid decimal")]
    NotDecimal,
    #[error("Decimal input should have no more than 2 decimal places")]
    TooManyPlaces,
    #[error("Decimal input should have no more than 13 digits before the decimal point")]
    TooLarge,
}

/// `numeric(15,2)` holds amounts below it: 15 digits, two of them decimals.
const LIMIT: u64 = 10_u64.pow(15);

impl Amount {
    pub const ZERO: Self = Self(Decimal::from_parts(0, 0, 0, false, 2));

    /// A hundredth of a riyal is a halala.
    pub fn from_halalas(halalas: i64) -> Self {
        Self(Decimal::new(halalas, 2))
    }

    /// For the database, which takes it as `numeric`.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

/// What the database gives: an amount of a line or a sum of them, and so with
/// two decimals at the most.
impl TryFrom<Decimal> for Amount {
    type Error = InvalidAmount;

    fn try_from(mut decimal: Decimal) -> Result<Self, InvalidAmount> {
        if decimal.normalize().scale() > 2 {
            return Err(InvalidAmount::TooManyPlaces);
        }
        decimal.rescale(2);
        // Where two decimals do not fit, it has fewer than it was told.
        if decimal.scale() == 2 {
            Ok(Self(decimal))
        } else {
            Err(InvalidAmount::TooLarge)
        }
    }
}

/// Digits with at most two decimals, below 10^13. An exponent is understood,
/// because JSON numbers may have one.
impl FromStr for Amount {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        if text.contains(['e', 'E']) {
            return scientific(text);
        }
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let halalas = halalas(digits)?;
        Ok(Self::from_halalas(if negative {
            -halalas
        } else {
            halalas
        }))
    }
}

fn scientific(text: &str) -> Result<Amount, InvalidAmount> {
    let separated = text.contains('_');
    let decimal = Decimal::from_scientific(text).map_err(|_| InvalidAmount::NotDecimal)?;
    let amount = Amount::try_from(decimal)?;
    match amount.0.mantissa().unsigned_abs() {
        _ if separated => Err(InvalidAmount::NotDecimal),
        halalas if halalas >= LIMIT.into() => Err(InvalidAmount::TooLarge),
        // Zero has no sign.
        0 => Ok(Amount::ZERO),
        _ => Ok(amount),
    }
}

fn halalas(text: &str) -> Result<i64, InvalidAmount> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(whole) || !is_digits(decimals) {
        return Err(InvalidAmount::NotDecimal);
    }
    let whole = whole.trim_start_matches('0');
    if decimals.len() > 2 {
        return Err(InvalidAmount::TooManyPlaces);
    }
    let padding = if decimals.len() == 1 { "0" } else { "" };
    // Cannot overflow: more digits than an amount has are no longer looked at.
    let mut sum: u64 = 0;
    for digit in [whole, decimals, padding]
        .iter()
        .flat_map(|part| part.bytes())
    {
        sum = sum * 10 + u64::from(digit - b'0');
        if sum >= LIMIT {
            return Err(InvalidAmount::TooLarge);
        }
    }
    i64::try_from(sum).map_err(|_| InvalidAmount::TooLarge)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Amount {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Saudi riyals with two decimals, as a string."))
            .pattern(Some(r"^-?\d+\.\d{2}$"))
            .examples(["45678000.00"])
            .into()
    }
}

impl ToSchema for Amount {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Amount")
    }
}

#[cfg(test)]
mod tests;
