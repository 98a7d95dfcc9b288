//! Columns as the values they stand for.

use std::str::FromStr;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::StoreError;

/// A column of a row. One that is missing or of another type is a schema that
/// is not ours.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T, StoreError> {
    row.try_get(name)
        .map_err(|error| StoreError::Broken(error.to_string()))
}

/// A column of text that is one of a closed set of words.
pub(super) fn word<T: FromStr>(row: &Row, name: &str) -> Result<T, StoreError> {
    let text: &str = column(row, name)?;
    text.parse()
        .map_err(|_| StoreError::Broken(format!("the column {name} holds an unknown word")))
}

/// The column `total` of a row that counts.
pub(super) fn count_of(row: &Row) -> Result<u64, StoreError> {
    column::<i64>(row, "total").map(i64::unsigned_abs)
}
