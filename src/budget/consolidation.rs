//! The consolidated view: a version's lines added up by account.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{AccountCode, Amount, Category, Period, Section, Version, VersionId, VersionStatus};

/// Lines of a version that agree in account, category and period, added up:
/// what the database gives.
///
/// One account can have lines under several names. They may come as one row
/// with the first name in the order of bytes, or as a row for each name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    pub account_code: AccountCode,
    pub account_name: String,
    pub category: Category,
    pub period: Period,
    pub sum: Amount,
    /// How many lines.
    pub count: u64,
}

/// Lines of a version that agree in category and period, added up: enough for
/// everything that does not tell accounts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CategorySum {
    pub category: Category,
    pub period: Period,
    pub sum: Amount,
}

/// The version that a view is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionHead {
    pub budget_version_id: VersionId,
    pub budget_version_name: String,
    pub fiscal_year: i32,
    pub academic_year: String,
    pub status: VersionStatus,
}

/// An account of the consolidated view. Under the name of the first line in
/// the order of bytes, so that equal lines give equal views.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Item {
    pub account_code: AccountCode,
    pub account_name: String,
    pub consolidation_category: Category,
    pub is_revenue: bool,
    pub amount_sar: Amount,
    /// How many lines it is the sum of.
    pub source_count: u64,
}

/// The sums of the sections, and what they result in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Totals {
    pub total_revenue: Amount,
    pub total_personnel_costs: Amount,
    pub total_operating_costs: Amount,
    pub total_capex: Amount,
    /// Revenue without personnel and operating costs.
    pub operating_result: Amount,
    /// The same: capital expenditure is an investment, not an expense.
    pub net_result: Amount,
}

/// The consolidated view of a version. Items are in the order of the chart of
/// accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Consolidation {
    #[serde(flatten)]
    pub version: VersionHead,
    pub revenue_items: Vec<Item>,
    pub personnel_items: Vec<Item>,
    pub operating_items: Vec<Item>,
    pub capex_items: Vec<Item>,
    #[serde(flatten)]
    pub totals: Totals,
}

/// The totals of a version alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Summary {
    #[serde(flatten)]
    pub version: VersionHead,
    #[serde(flatten)]
    pub totals: Totals,
}

impl From<&Version> for VersionHead {
    fn from(version: &Version) -> Self {
        Self {
            budget_version_id: version.id,
            budget_version_name: version.name.clone(),
            fiscal_year: version.fiscal_year,
            academic_year: version.academic_year.clone(),
            status: version.status,
        }
    }
}

impl Totals {
    /// From amounts with the categories they count to.
    pub(super) fn of(amounts: impl IntoIterator<Item = (Category, Amount)>) -> Self {
        let [mut revenue, mut personnel, mut operating, mut capex] = [Amount::ZERO; 4];
        for (category, amount) in amounts {
            *match category.section() {
                Section::Revenue => &mut revenue,
                Section::Personnel => &mut personnel,
                Section::Operating => &mut operating,
                Section::Capex => &mut capex,
            } += amount;
        }
        let result = revenue - personnel - operating;
        Self {
            total_revenue: revenue,
            total_personnel_costs: personnel,
            total_operating_costs: operating,
            total_capex: capex,
            operating_result: result,
            net_result: result,
        }
    }

    /// What the year costs: capital expenditure is no part of it.
    pub fn expenses(&self) -> Amount {
        self.total_personnel_costs + self.total_operating_costs
    }
}

/// Rows by account, in the order of sections, and of the chart within them. An
/// account that has lines of two categories stands there twice.
pub(super) fn items(rows: Vec<Aggregate>) -> Vec<Item> {
    let mut items = BTreeMap::<(Section, AccountCode, Category), Item>::new();
    for row in rows {
        let key = (
            row.category.section(),
            row.account_code.clone(),
            row.category,
        );
        let item = items.entry(key).or_insert_with(|| Item {
            account_code: row.account_code,
            account_name: row.account_name.clone(),
            consolidation_category: row.category,
            is_revenue: row.category.is_revenue(),
            amount_sar: Amount::ZERO,
            source_count: 0,
        });
        item.amount_sar += row.sum;
        item.source_count += row.count;
        if row.account_name < item.account_name {
            item.account_name = row.account_name;
        }
    }
    items.into_values().collect()
}

impl Consolidation {
    pub fn new(version: &Version, rows: Vec<Aggregate>) -> Self {
        let totals = Totals::of(rows.iter().map(|row| (row.category, row.sum)));
        let mut items = items(rows).into_iter().peekable();
        let mut section = |section| {
            let belongs = |item: &Item| item.consolidation_category.section() == section;
            std::iter::from_fn(|| items.next_if(belongs)).collect()
        };
        Self {
            version: version.into(),
            revenue_items: section(Section::Revenue),
            personnel_items: section(Section::Personnel),
            operating_items: section(Section::Operating),
            capex_items: section(Section::Capex),
            totals,
        }
    }
}

impl Summary {
    pub fn new(version: &Version, sums: &[CategorySum]) -> Self {
        Self {
            version: version.into(),
            totals: Totals::of(sums.iter().map(|sum| (sum.category, sum.sum))),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
