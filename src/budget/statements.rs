//! Financial statements: totals by period, and the income statement.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::consolidation::{CategorySum, Item, VersionHead, items};
use super::{
    AccountCode, Aggregate, Amount, LineType, Section, StatementPeriod, Totals, Version, VersionId,
};

/// The totals of a period, or of the year: `annual` is `p1`, `summer` and `p2`
/// added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PeriodStatement {
    pub budget_version_id: VersionId,
    pub period: StatementPeriod,
    pub total_revenue: Amount,
    /// Personnel and operating costs.
    pub total_expenses: Amount,
    pub operating_result: Amount,
    pub net_result: Amount,
}

/// The income statement, line by line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IncomeStatement {
    #[serde(flatten)]
    pub version: VersionHead,
    /// In the order in which they are shown.
    pub lines: Vec<StatementLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatementLine {
    /// Counted from 1.
    pub line_number: usize,
    pub line_type: LineType,
    /// How far it is indented: 1 for account lines, 0 for all others.
    pub indent_level: u8,
    /// The account, on account lines.
    #[schema(required)]
    pub line_code: Option<AccountCode>,
    #[schema(value_type = String)]
    pub line_description: Cow<'static, str>,
    /// On all lines but section headers.
    #[schema(required)]
    pub amount_sar: Option<Amount>,
}

impl PeriodStatement {
    pub fn new(version: VersionId, period: StatementPeriod, sums: &[CategorySum]) -> Self {
        let covered = sums.iter().filter(|sum| period.covers(sum.period));
        let totals = Totals::of(covered.map(|sum| (sum.category, sum.sum)));
        Self {
            budget_version_id: version,
            period,
            total_revenue: totals.total_revenue,
            total_expenses: totals.expenses(),
            operating_result: totals.operating_result,
            net_result: totals.net_result,
        }
    }

    /// Those of every period, and of the year.
    pub fn all(version: VersionId, sums: &[CategorySum]) -> Vec<Self> {
        let of = |period: &StatementPeriod| Self::new(version, *period, sums);
        StatementPeriod::ALL.iter().map(of).collect()
    }
}

impl IncomeStatement {
    /// Capital expenditure does not stand there: it is no expense of the year.
    pub fn new(version: &Version, rows: Vec<Aggregate>) -> Self {
        let totals = Totals::of(rows.iter().map(|row| (row.category, row.sum)));
        let items = items(rows);
        let mut lines = Lines::default();
        lines.section(
            "Revenue",
            items_of(&items, Section::Revenue),
            ("Total revenue", totals.total_revenue),
        );
        lines.section(
            "Personnel costs",
            items_of(&items, Section::Personnel),
            ("Total personnel costs", totals.total_personnel_costs),
        );
        lines.section(
            "Operating costs",
            items_of(&items, Section::Operating),
            ("Total operating costs", totals.total_operating_costs),
        );
        lines.push(LineType::Subtotal, "Total expenses", totals.expenses());
        lines.push(LineType::Total, "Operating result", totals.operating_result);
        lines.push(LineType::Total, "Net result", totals.net_result);
        Self {
            version: version.into(),
            lines: lines.0,
        }
    }
}

fn items_of(items: &[Item], section: Section) -> impl Iterator<Item = &Item> {
    let belongs = move |item: &&Item| item.consolidation_category.section() == section;
    items.iter().filter(belongs)
}

/// Lines that are numbered as they are added.
#[derive(Default)]
struct Lines(Vec<StatementLine>);

impl Lines {
    fn section<'a>(
        &mut self,
        title: &'static str,
        items: impl Iterator<Item = &'a Item>,
        (label, sum): (&'static str, Amount),
    ) {
        self.add(LineType::SectionHeader, None, title.into(), None);
        for item in items {
            let code = item.account_code.clone();
            let name = item.account_name.clone();
            self.add(
                LineType::AccountLine,
                Some(code),
                name.into(),
                Some(item.amount_sar),
            );
        }
        self.push(LineType::Subtotal, label, sum);
    }

    fn push(&mut self, line_type: LineType, label: &'static str, amount: Amount) {
        self.add(line_type, None, label.into(), Some(amount));
    }

    fn add(
        &mut self,
        line_type: LineType,
        line_code: Option<AccountCode>,
        line_description: Cow<'static, str>,
        amount_sar: Option<Amount>,
    ) {
        self.0.push(StatementLine {
            line_number: self.0.len() + 1,
            line_type,
            indent_level: u8::from(line_type == LineType::AccountLine),
            line_code,
            line_description,
            amount_sar,
        });
    }
}

#[cfg(test)]
mod tests;
