//! How a use of the database fails, as far as whoever asked must tell apart.

use std::time::Duration;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::Hint;
use crate::dependency::{ErrorKind, Failure};
use crate::probe::postgres::failure;

/// Why a use of the database failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is down, or went away: 503 with `Retry-After`.
    #[error("cannot use the database: {0}")]
    Unavailable(Failure),
    /// It is up and has too much to do, or others hold what is needed: 503
    /// with `Retry-After`.
    #[error("cannot use the database now: {0}")]
    Busy(String),
    /// A statement took longer than `database.statement_timeout`: 503.
    #[error("cannot finish a statement within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// What was to be written breaks a rule that the schema names; the caller
    /// knows which of them its input can break.
    #[error("cannot write what breaks the rule {constraint}")]
    Conflict { constraint: String },
    /// A fault of this program, or a schema that is not ours: 500.
    #[error("cannot run a statement: {0}")]
    Broken(String),
}

impl StoreError {
    /// What an error of a statement means. `end` is why its connection ended,
    /// if it did; `limit` is the time that the statement had.
    pub(super) fn of(error: &Error, end: Option<&Failure>, limit: Duration) -> Self {
        if let Some(refusal) = error.as_db_error() {
            return Self::of_refusal(refusal, error, limit);
        }
        match end {
            // The end of the connection knows the reason for it.
            Some(end) if error.is_closed() => Self::Unavailable(end.clone()),
            _ if met_a_dead_connection(error) => Self::Unavailable(failure(error)),
            // Values that do not fit their types, a row too many or too few.
            _ => Self::Broken(error.to_string()),
        }
    }

    /// What the server says, by the classes of
    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn of_refusal(refusal: &DbError, error: &Error, limit: Duration) -> Self {
        let code = refusal.code();
        let class = code.code().get(..2).unwrap_or_default();
        match (code, class, refusal.constraint()) {
            (_, "23", Some(constraint)) => Self::Conflict {
                constraint: constraint.to_owned(),
            },
            // Only this program sets the timeout and cancels.
            (&SqlState::QUERY_CANCELED, ..) => Self::Timeout(limit),
            // Deadlocks, lost races, locks that others hold.
            (&SqlState::LOCK_NOT_AVAILABLE, ..) | (_, "40", _) => {
                Self::Busy(refusal.message().to_owned())
            }
            // A primary that became a standby.
            (&SqlState::READ_ONLY_SQL_TRANSACTION, ..) => {
                Self::Unavailable(Failure::new(ErrorKind::NotReady, "the server is read-only"))
            }
            // Connections, insufficient resources, operator intervention.
            (_, "08" | "53" | "57", _) => Self::Unavailable(failure(error)),
            _ => Self::Broken(format!("{} ({})", refusal.message(), code.code())),
        }
    }

    /// Makes the supervisor look when it could learn something.
    pub(super) fn hint(&self, hint: &Hint) {
        match self {
            Self::Unavailable(_) | Self::Timeout(_) | Self::Broken(_) => hint(),
            Self::Busy(_) | Self::Conflict { .. } => {}
        }
    }
}

/// Whether the connection, or the server's end of it, is gone: over a fresh
/// one the same may work.
pub(super) fn met_a_dead_connection(error: &Error) -> bool {
    match error.as_db_error() {
        Some(refusal) => {
            let code = refusal.code().code();
            // Its backend was terminated, or a pooler lost it.
            code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P05")
        }
        None => error.is_closed() || is_of_the_network(error),
    }
}

fn is_of_the_network(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    cause.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}
