//! Lets refinery work inside a transaction that is already open. Its own
//! driver would begin and commit one for each migration, and so give the lock
//! away between them.

use refinery::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_postgres::{Client, Row};

/// A connection on which a transaction is open.
pub(super) struct OpenTransaction<'a>(pub(super) &'a Client);

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    #[error("the history of migrations holds a date that is none: {0}")]
    Date(#[from] time::error::Parse),
    #[error("the history of migrations holds a checksum that is none: {0}")]
    Checksum(#[from] std::num::ParseIntError),
}

impl AsyncTransaction for OpenTransaction<'_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, Error> {
        let mut count = 0;
        for query in queries {
            self.0.batch_execute(query).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for OpenTransaction<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Error> {
        let rows = self.0.query_typed(query, &[]).await?;
        rows.iter().map(applied).collect()
    }
}

impl AsyncMigrate for OpenTransaction<'_> {}

/// A row of the history, in refinery's order of columns.
fn applied(row: &Row) -> Result<Migration, Error> {
    let (applied_on, checksum): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
    Ok(Migration::applied(
        row.try_get(0)?,
        row.try_get(1)?,
        OffsetDateTime::parse(applied_on, &Rfc3339)?,
        checksum.parse()?,
    ))
}
