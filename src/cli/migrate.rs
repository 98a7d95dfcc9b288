//! `budgetd migrate`: applies what is pending, and says what it did.

use super::{block_on, output, plan, small_runtime};
use crate::config::{Sources, Target};
use crate::dependency::{DATABASE, Kind};
use crate::exit::Exit;
use crate::store::schema::{MigrateError, apply};

pub(super) fn migrate(sources: &Sources) -> Exit {
    let plan = match plan(sources) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let config = plan.config();
    let named = config.dependency(DATABASE).map(|named| &named.target);
    let target = match (&config.database.direct, named) {
        (Some(direct), _) => direct,
        (None, Some(Some(Target::Postgres(target)))) => target,
        (None, _) => {
            output::error("cannot migrate: there is no database; set DATABASE_URL or DIRECT_URL");
            return Exit::Configuration;
        }
    };
    let migrated = match block_on(small_runtime(), apply(target)) {
        Ok(migrated) => migrated,
        Err(exit) => return exit,
    };
    match migrated {
        Ok(Some(done)) => {
            let (from, to) = (done.from, done.to);
            output::line(&format!(
                "the schema of {target} is at version {to} now; it was at {from}"
            ));
            Exit::Success
        }
        Ok(None) => {
            output::line(&format!("the schema of {target} lacks nothing"));
            Exit::Success
        }
        Err(error) => {
            output::error(&told(&error));
            exit(&error)
        }
    }
}

fn told(error: &MigrateError) -> String {
    match error {
        MigrateError::Unavailable { failure, .. } => {
            format!("{error}; {}", failure.kind.hint(Kind::Postgres))
        }
        _ => error.to_string(),
    }
}

fn exit(error: &MigrateError) -> Exit {
    match error {
        MigrateError::Unavailable { .. } | MigrateError::Locked { .. } => Exit::Unavailable,
        MigrateError::Incompatible(_) => Exit::Configuration,
        MigrateError::Refused(_) => Exit::Internal,
    }
}
