//! Applying what is pending: in one transaction, under one lock.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::adapter::{self, OpenTransaction};
use super::{Behind, HISTORY, Incompatible, Standing, embedded, standing};
use crate::config::{PostgresTarget, Secret};
use crate::dependency::{ErrorKind, Failure};
use crate::probe::postgres::{failure, open};

/// The lock that whoever migrates holds: `budgetd` in ASCII.
const LOCK: i64 = 0x0062_7564_6765_7464;
/// How long to wait for a lock that others hold: migrating elsewhere, or using
/// a table that is to be changed.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long everything may take; a server that stands still ends it, too.
const LIMIT: Duration = Duration::from_mins(10);

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Where the schema stood before. 0: there was none.
    pub from: i32,
    /// Where it stands now.
    pub to: i32,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    #[error("cannot migrate the schema of {target}: {failure}")]
    Unavailable { target: String, failure: Failure },
    #[error(
        "cannot migrate the schema: someone else held a lock for {}: {message}",
        humantime::format_duration(LOCK_TIMEOUT)
    )]
    Locked { message: String },
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
    #[error("cannot migrate the schema, nothing was changed: {0}")]
    Refused(String),
}

/// Brings the schema at `target` to what this program needs. `None`: there
/// was nothing to do. It happens as a whole or not at all, and once, however
/// many try it at the same time.
pub async fn apply(target: &PostgresTarget) -> Result<Option<Migrated>, MigrateError> {
    let unavailable = |failure: Failure| MigrateError::Unavailable {
        target: target.to_string(),
        failure: failure.without(target.password.iter().map(Secret::expose)),
    };
    let late = |limit: Duration| {
        let limit = humantime::format_duration(limit);
        unavailable(Failure::new(
            ErrorKind::Timeout,
            format!("no answer within {limit}"),
        ))
    };
    let opened = timeout(CONNECT_TIMEOUT, open(target)).await;
    let opened = opened.map_err(|_| late(CONNECT_TIMEOUT))?;
    let (client, mut driver) = opened.map_err(unavailable)?;
    let migrated = timeout(LIMIT, driver.run(migrate(&client))).await;
    // It says goodbye; if the transaction is still open, that rolls it back.
    drop(client);
    driver.nudge();
    let migrated = migrated.map_err(|_| late(LIMIT))?;
    migrated.map_err(unavailable)?.map_err(|error| match error {
        Interrupted::Migrating(error) => error,
        Interrupted::Asking(failure) => unavailable(failure),
    })
}

/// Why the transaction did not come to its end.
enum Interrupted {
    Migrating(MigrateError),
    Asking(Failure),
}

impl From<MigrateError> for Interrupted {
    fn from(error: MigrateError) -> Self {
        Self::Migrating(error)
    }
}

impl From<tokio_postgres::Error> for Interrupted {
    fn from(error: tokio_postgres::Error) -> Self {
        interrupted(&error)
    }
}

impl From<refinery::Error> for Interrupted {
    fn from(error: refinery::Error) -> Self {
        use refinery::error::Kind;

        let Kind::Connection(_, cause) = error.kind() else {
            return MigrateError::Refused(error.to_string()).into();
        };
        match cause.downcast_ref::<adapter::Error>() {
            Some(adapter::Error::Postgres(error)) => interrupted(error),
            _ => MigrateError::Refused(cause.to_string()).into(),
        }
    }
}

fn interrupted(error: &tokio_postgres::Error) -> Interrupted {
    let Some(refusal) = error.as_db_error() else {
        return Interrupted::Asking(failure(error));
    };
    let message = refusal.message().to_owned();
    let class = refusal.code().code().get(..2).unwrap_or_default();
    match (refusal.code(), class) {
        (&SqlState::INSUFFICIENT_PRIVILEGE, _) => MigrateError::Refused(format!(
            "{message}; migrate as the owner of the schema (DIRECT_URL), or create it for this \
             user: CREATE SCHEMA budgetd AUTHORIZATION …"
        ))
        .into(),
        (&SqlState::LOCK_NOT_AVAILABLE, _) => MigrateError::Locked { message }.into(),
        // Connections, insufficient resources, operator intervention.
        (_, "08" | "53" | "57") => Interrupted::Asking(failure(error)),
        _ => MigrateError::Refused(message).into(),
    }
}

/// What is applied is read again once the lock is held: someone else may have
/// done it all in the meantime.
async fn migrate(client: &Client) -> Result<Option<Migrated>, Interrupted> {
    let limit = LIMIT.as_millis();
    let lock_timeout = LOCK_TIMEOUT.as_millis();
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {lock_timeout}; SET LOCAL statement_timeout = {limit}; \
         SET LOCAL idle_in_transaction_session_timeout = {limit}"
    );
    client.batch_execute(&begin).await?;
    client
        .query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])
        .await?;
    // A statement that fails breaks the transaction, also one that asks for
    // what is not there.
    client.batch_execute("SAVEPOINT before").await?;
    let stands = standing(client).await.map_err(Interrupted::Asking)?;
    client.batch_execute("ROLLBACK TO SAVEPOINT before").await?;
    let Behind { have, need } = match stands {
        Standing::Right => return Ok(None),
        Standing::Incompatible(incompatible) => {
            return Err(MigrateError::Incompatible(incompatible).into());
        }
        Standing::Behind(behind) => behind,
    };
    // Who may not create schemas may still be given one.
    let there = "SELECT to_regnamespace('budgetd') IS NOT NULL";
    if !client.query_typed_one(there, &[]).await?.try_get(0)? {
        client.batch_execute("CREATE SCHEMA budgetd").await?;
    }
    let mut runner = embedded::migrations::runner();
    runner.set_migration_table_name(HISTORY);
    runner.run_async(&mut OpenTransaction(client)).await?;
    client.batch_execute("COMMIT").await?;
    Ok(Some(Migrated {
        from: have,
        to: need,
    }))
}
