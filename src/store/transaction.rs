//! A transaction of a request.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join;
use futures_util::{FutureExt, SinkExt, Stream, StreamExt};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::error::{StoreError, met_a_dead_connection};
use super::pool::Lease;

/// How much longer than the server this side waits for the end of a statement:
/// the server's own word, that it was too slow, has to arrive.
const GRACE: Duration = Duration::from_secs(1);
/// How long a transaction may be open without a statement: a daemon that
/// vanished, or stands still, must not hold locks for ever.
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// What a transaction may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Sees one state of the database from its first statement on.
    Read,
    /// Each statement sees what was committed before it began.
    Write,
}

/// Parameters of a statement, each with its type: the server is not asked for
/// any, which would take a named statement.
pub type Parameters<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// An open transaction. Statements may run concurrently in it; they are sent
/// at once and done in the order in which they were begun.
///
/// Statements must use and return types that are built into Postgres: others
/// (such as enums) make the library look them up with named statements. Cast
/// them to `text`.
///
/// Dropped before its end it is rolled back.
pub struct Transaction {
    /// There until this is dropped.
    lease: Option<Lease>,
    access: Access,
    statement_timeout: Duration,
    /// `BEGIN` has been sent.
    begun: AtomicBool,
    /// Statements that were begun and have not ended.
    open: AtomicU32,
    /// A statement failed: the server only waits for the end.
    failed: AtomicBool,
    /// A statement found the connection gone.
    dead: AtomicBool,
    /// It was committed.
    ended: AtomicBool,
}

impl Transaction {
    /// Nothing is sent yet.
    pub(super) fn new(lease: Lease, access: Access, statement_timeout: Duration) -> Self {
        Self {
            lease: Some(lease),
            access,
            statement_timeout,
            begun: AtomicBool::new(false),
            open: AtomicU32::new(0),
            failed: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// A write begins at once. A read begins together with its first
    /// statement, in one round trip. Writes must not: were `BEGIN` refused, a
    /// statement right behind it would stand alone and be committed by itself.
    pub(super) async fn begin(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Read => Ok(()),
            Access::Write => self.run(async |_| Ok(())).await,
        }
    }

    pub async fn rows(
        &self,
        sql: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        self.run(async |client| client.query_typed(sql, parameters).await)
            .await
    }

    /// Exactly one row; another number is [`StoreError::Broken`].
    pub async fn row(&self, sql: &str, parameters: &Parameters<'_>) -> Result<Row, StoreError> {
        self.run(async |client| client.query_typed_one(sql, parameters).await)
            .await
    }

    /// One row or none.
    pub async fn optional_row(
        &self,
        sql: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Option<Row>, StoreError> {
        self.run(async |client| client.query_typed_opt(sql, parameters).await)
            .await
    }

    /// The number of rows that were changed.
    pub async fn execute(&self, sql: &str, parameters: &Parameters<'_>) -> Result<u64, StoreError> {
        self.run(async |client| client.execute_typed(sql, parameters).await)
            .await
    }

    /// `COPY … FROM STDIN` with these bytes; the number of rows. The library
    /// names the statement and forgets it again in this very transaction.
    pub async fn copy_in(
        &self,
        sql: &str,
        data: impl Stream<Item = Bytes>,
    ) -> Result<u64, StoreError> {
        let copying = async |client: &Client| {
            let mut sink = Box::pin(client.copy_in(sql).await?);
            let mut data = std::pin::pin!(data);
            while let Some(part) = data.next().await {
                sink.feed(part).await?;
            }
            sink.as_mut().finish().await
        };
        self.run(copying).await
    }

    /// Makes everything that was written last. Whether it was is unknown when
    /// this fails otherwise than with [`StoreError::Broken`].
    pub async fn commit(&self) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) || self.open.load(Ordering::Acquire) > 0 {
            // The server would roll back and call that a success.
            let reason = "a statement before the commit failed or was abandoned";
            return Err(StoreError::Broken(reason.to_owned()));
        }
        if self.begun.load(Ordering::Acquire) {
            self.run(async |client| client.batch_execute("COMMIT").await)
                .await?;
        }
        self.ended.store(true, Ordering::Release);
        Ok(())
    }

    fn lease(&self) -> &Lease {
        self.lease.as_ref().expect("there until this is dropped")
    }

    pub(super) fn met_a_dead_connection(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    /// Runs one statement, behind `BEGIN` if it is the first, within the
    /// statement timeout.
    async fn run<T>(
        &self,
        statement: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        if self.ended.load(Ordering::Acquire) {
            return Err(StoreError::Broken("the transaction has ended".to_owned()));
        }
        let lease = self.lease();
        let client = lease.client();
        let sent_in_vain = self.failed.load(Ordering::Acquire);
        self.open.fetch_add(1, Ordering::AcqRel);
        let first = !self.begun.swap(true, Ordering::AcqRel);
        let work = async {
            if !first {
                return statement(client).await;
            }
            let begin = self.begin_statement();
            let begin = client.batch_execute(&begin);
            match self.access {
                Access::Read => {
                    let (begun, done) = join(begin, statement(client)).await;
                    begun.and(done)
                }
                Access::Write => {
                    begin.await?;
                    statement(client).await
                }
            }
        };
        let outcome = timeout(self.statement_timeout + GRACE, work).await;
        let error = match outcome {
            Ok(Ok(done)) => {
                self.open.fetch_sub(1, Ordering::AcqRel);
                return Ok(done);
            }
            Ok(Err(error)) => {
                self.open.fetch_sub(1, Ordering::AcqRel);
                if met_a_dead_connection(&error) {
                    self.dead.store(true, Ordering::Release);
                }
                let is_beside_another =
                    error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) && !sent_in_vain;
                if is_beside_another {
                    // Sent together with the one that failed; which of both
                    // is heard first is chance.
                    StoreError::Busy("a statement that was sent with it failed".to_owned())
                } else {
                    StoreError::of(&error, lease.end(), self.statement_timeout)
                }
            }
            // It counts as open: the server still owes an answer.
            Err(_) => StoreError::Timeout(self.statement_timeout),
        };
        self.failed.store(true, Ordering::Release);
        error.hint(&lease.tools().hint);
        Err(error)
    }

    fn begin_statement(&self) -> String {
        let mode = match self.access {
            Access::Read => "ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "ISOLATION LEVEL READ COMMITTED READ WRITE",
        };
        format!(
            "BEGIN {mode}; SET LOCAL statement_timeout = {}; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            self.statement_timeout.as_millis(),
            IDLE_LIMIT.as_millis()
        )
    }
}

impl Drop for Transaction {
    /// Rolls back what was not committed. The answer is not waited for: the
    /// connection's next user comes behind it. A connection that is dead, or
    /// that the server may still be busy with, is given up.
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        if self.ended.load(Ordering::Acquire) || !self.begun.load(Ordering::Acquire) {
            return;
        }
        if self.open.load(Ordering::Acquire) > 0 || self.met_a_dead_connection() {
            lease.give_up().cancel();
        } else {
            let _ = lease.client().batch_execute("ROLLBACK").now_or_never();
        }
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}
