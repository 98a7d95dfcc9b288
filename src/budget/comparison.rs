//! Two versions, account by account.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::consolidation::{Item, items};
use super::{AccountCode, Aggregate, Amount, Category, Section, Totals, Version, VersionHead};

/// A percentage with two decimals, written `"12.50"` in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(Decimal);

/// An amount in the one version and in the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    pub base_amount: Amount,
    pub other_amount: Amount,
    /// The other one without the base.
    pub variance: Amount,
    /// The variance in percent of the base, with the sign of the variance;
    /// `null` where the base is zero.
    #[schema(required)]
    pub variance_pct: Option<Percent>,
}

/// An account, of the one version, of the other, or of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ComparedItem {
    pub account_code: AccountCode,
    /// As the base names it, if it has it.
    pub account_name: String,
    pub consolidation_category: Category,
    pub is_revenue: bool,
    #[serde(flatten)]
    pub difference: Difference,
}

/// The totals of both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ComparedTotals {
    pub total_revenue: Difference,
    pub total_personnel_costs: Difference,
    pub total_operating_costs: Difference,
    pub total_capex: Difference,
    pub operating_result: Difference,
    pub net_result: Difference,
}

/// Two versions side by side. Items are in the order of sections, and of the
/// chart of accounts within them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Comparison {
    pub base: VersionHead,
    pub other: VersionHead,
    pub items: Vec<ComparedItem>,
    pub totals: ComparedTotals,
}

impl Percent {
    /// `part` in percent of the size of `whole`, rounded half away from zero.
    fn of(part: Amount, whole: Amount) -> Option<Self> {
        let hundredfold = part.decimal().checked_mul(Decimal::ONE_HUNDRED)?;
        let percent = hundredfold.checked_div(whole.decimal().abs())?;
        let mut rounded = percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        rounded.rescale(2);
        // Zero has no sign.
        if rounded.is_zero() {
            rounded.set_sign_positive(true);
        }
        Some(Self(rounded))
    }
}

impl Difference {
    pub fn new(base: Amount, other: Amount) -> Self {
        let variance = other - base;
        Self {
            base_amount: base,
            other_amount: other,
            variance,
            variance_pct: Percent::of(variance, base),
        }
    }
}

impl ComparedTotals {
    fn new(base: &Totals, other: &Totals) -> Self {
        let of = |total: fn(&Totals) -> Amount| Difference::new(total(base), total(other));
        Self {
            total_revenue: of(|totals| totals.total_revenue),
            total_personnel_costs: of(|totals| totals.total_personnel_costs),
            total_operating_costs: of(|totals| totals.total_operating_costs),
            total_capex: of(|totals| totals.total_capex),
            operating_result: of(|totals| totals.operating_result),
            net_result: of(|totals| totals.net_result),
        }
    }
}

impl Comparison {
    /// Each version with its rows.
    pub fn new(base: (&Version, Vec<Aggregate>), other: (&Version, Vec<Aggregate>)) -> Self {
        let totals =
            |rows: &[Aggregate]| Totals::of(rows.iter().map(|row| (row.category, row.sum)));
        Self {
            base: base.0.into(),
            other: other.0.into(),
            totals: ComparedTotals::new(&totals(&base.1), &totals(&other.1)),
            items: compared(items(base.1), items(other.1)),
        }
    }
}

fn compared(base: Vec<Item>, other: Vec<Item>) -> Vec<ComparedItem> {
    let key = |item: &Item| {
        let category = item.consolidation_category;
        (category.section(), item.account_code.clone(), category)
    };
    let mut pairs = BTreeMap::<(Section, AccountCode, Category), (String, Amount, Amount)>::new();
    for item in base {
        pairs.insert(
            key(&item),
            (item.account_name, item.amount_sar, Amount::ZERO),
        );
    }
    for item in other {
        let pair = pairs.entry(key(&item));
        pair.or_insert((item.account_name, Amount::ZERO, Amount::ZERO))
            .2 = item.amount_sar;
    }
    let compared = |((_, account_code, category), (account_name, base, other)): (_, _)| {
        let category: Category = category;
        ComparedItem {
            account_code,
            account_name,
            consolidation_category: category,
            is_revenue: category.is_revenue(),
            difference: Difference::new(base, other),
        }
    };
    pairs.into_iter().map(compared).collect()
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Percent {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Percent with two decimals, as a string."))
            .pattern(Some(r"^-?\d+\.\d{2}$"))
            .examples(["-12.50"])
            .into()
    }
}

impl ToSchema for Percent {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Percent")
    }
}

#[cfg(test)]
mod tests;
