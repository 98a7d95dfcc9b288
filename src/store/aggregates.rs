//! The lines of a version, added up by the database.

use rust_decimal::Decimal;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::row::{column, count_of, word};
use super::{StoreError, Transaction};
use crate::budget::{Aggregate, Amount, CategorySum, VersionId};

/// By account, category and period. Of several names of an account the first
/// one in the order of bytes.
pub async fn by_account(
    transaction: &Transaction,
    version: VersionId,
) -> Result<Vec<Aggregate>, StoreError> {
    let rows = transaction
        .rows(
            "SELECT account_code, min(account_name COLLATE \"C\") AS account_name, category, \
             period, sum(amount_sar) AS sum, count(*) AS total \
             FROM budgetd.budget_lines WHERE budget_version_id = $1 \
             GROUP BY account_code, category, period",
            &[(&version.uuid(), Type::UUID)],
        )
        .await?;
    let aggregate = |row: &Row| {
        Ok(Aggregate {
            account_code: word(row, "account_code")?,
            account_name: column(row, "account_name")?,
            category: word(row, "category")?,
            period: word(row, "period")?,
            sum: sum(row)?,
            count: count_of(row)?,
        })
    };
    rows.iter().map(aggregate).collect()
}

/// By category and period: what totals need, and a small part of the rows.
pub async fn by_category(
    transaction: &Transaction,
    version: VersionId,
) -> Result<Vec<CategorySum>, StoreError> {
    let rows = transaction
        .rows(
            "SELECT category, period, sum(amount_sar) AS sum \
             FROM budgetd.budget_lines WHERE budget_version_id = $1 GROUP BY category, period",
            &[(&version.uuid(), Type::UUID)],
        )
        .await?;
    let category_sum = |row: &Row| {
        Ok(CategorySum {
            category: word(row, "category")?,
            period: word(row, "period")?,
            sum: sum(row)?,
        })
    };
    rows.iter().map(category_sum).collect()
}

fn sum(row: &Row) -> Result<Amount, StoreError> {
    let sum: Decimal = column(row, "sum")?;
    Amount::try_from(sum).map_err(|error| StoreError::Broken(error.to_string()))
}
