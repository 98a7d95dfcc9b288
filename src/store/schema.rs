//! The schema `budgetd`: what a database holds of it, what this program needs
//! of it, and how one is brought to the other.
//!
//! The schema itself records the oldest program that can work with it.
//! Migrations add first and take away a release later, so that programs of
//! two releases can run beside each other, and a rollout can be rolled back.

use semver::Version;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::dependency::{ErrorKind, Failure};
use crate::probe::postgres::failure;

mod adapter;

mod apply;

mod keeper;

pub use apply::{MigrateError, Migrated, apply};
pub use keeper::{Keeper, Notice, Plan, Plans};

mod embedded {
    refinery::embed_migrations!("src/store/schema/migrations");
}

/// The number of the newest migration. The migrations know it too, but reading
/// their names takes a regular expression, and this is asked at every start.
const NEWEST: i32 = 1;

/// Where what was applied is written down.
const HISTORY: &str = "budgetd.migrations";

/// What a database holds, seen from this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Everything that this program needs, and maybe more.
    Right,
    /// Migrations are pending.
    Behind(Behind),
    /// Too new a schema for this program.
    Incompatible(Incompatible),
}

/// A schema that lacks migrations. Versions are their numbers; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the schema of the database is at version {have}, and this program needs version {need}")]
pub struct Behind {
    pub have: i32,
    pub need: i32,
}

/// A schema that this program is too old for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the schema of the database needs budgetd {oldest} or newer, and this is budgetd {own}: \
     run a newer one, or restore the database as it was before"
)]
pub struct Incompatible {
    pub oldest: Version,
    pub own: Version,
}

/// Reads what the database at the other end of `client` holds.
pub async fn standing(client: &Client) -> Result<Standing, Failure> {
    let question = format!(
        "SELECT (SELECT max(version) FROM {HISTORY}), oldest_binary FROM budgetd.compatibility"
    );
    let need = NEWEST;
    let row = match client.query_typed_one(&question, &[]).await {
        Ok(row) => row,
        Err(error) if lacks_the_schema(&error) => {
            return Ok(Standing::Behind(Behind { have: 0, need }));
        }
        Err(error) => return Err(failure(&error)),
    };
    let unreadable = |error: &dyn std::fmt::Display| {
        let message = format!("cannot read the version of the schema budgetd: {error}");
        Failure::new(ErrorKind::Protocol, message)
    };
    let have: Option<i32> = row.try_get(0).map_err(|error| unreadable(&error))?;
    let oldest: String = row.try_get(1).map_err(|error| unreadable(&error))?;
    let oldest = oldest.parse().map_err(|error| unreadable(&error))?;
    Ok(stand(have.unwrap_or(0), need, oldest, own_version()))
}

fn stand(have: i32, need: i32, oldest: Version, own: Version) -> Standing {
    if own < oldest {
        Standing::Incompatible(Incompatible { oldest, own })
    } else if have < need {
        Standing::Behind(Behind { have, need })
    } else {
        Standing::Right
    }
}

fn lacks_the_schema(error: &tokio_postgres::Error) -> bool {
    let missing = [&SqlState::UNDEFINED_TABLE, &SqlState::INVALID_SCHEMA_NAME];
    error.code().is_some_and(|code| missing.contains(&code))
}

fn own_version() -> Version {
    env!("CARGO_PKG_VERSION")
        .parse()
        .expect("cargo has checked the version of this package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_migration_is_known() {
        let runner = embedded::migrations::runner();
        let migrations = runner.get_migrations().iter();
        let newest = migrations.map(refinery::Migration::version).max();
        assert_eq!(newest, Some(NEWEST));
    }

    #[test]
    fn an_older_program_is_refused_only_where_the_schema_says_so() {
        let stand = |have, oldest: &str| {
            let version = |text: &str| text.parse().unwrap();
            stand(have, 3, version(oldest), version("1.4.0"))
        };
        assert_eq!(stand(3, "1.4.0"), Standing::Right);
        assert_eq!(stand(9, "1.3.0"), Standing::Right, "newer, and compatible");
        let behind = Behind { have: 2, need: 3 };
        assert_eq!(stand(2, "1.0.0"), Standing::Behind(behind));
        for have in [2, 3, 9] {
            let refused = stand(have, "1.4.1");
            assert!(matches!(refused, Standing::Incompatible(_)), "{refused:?}");
        }
    }
}
