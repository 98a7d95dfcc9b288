//! The database counts as up only while its schema is right: which plan its
//! keeper follows, and the probe that asks it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::config::{Config, PostgresTarget, Target};
use crate::dependency::DATABASE;
use crate::probe;
use crate::store::schema::{Keeper, Plan, Plans};
use crate::supervisor::ProbeFactory;

/// The longest that a check waits for a migration.
const PATIENCE: Duration = Duration::from_secs(1);

/// The configuration that a reload tries out.
pub(super) type Coming = Arc<ArcSwapOption<Config>>;

/// The plan for a database stands in the configuration that names it: the one
/// in force or, while a reload brings up another database, the coming one.
pub(super) fn plans(config: Arc<ArcSwap<Config>>, coming: Coming) -> Plans {
    Arc::new(move |target| {
        let in_force = plan(&config.load(), target, true);
        in_force.or_else(|| plan(coming.load().as_deref()?, target, false))
    })
}

fn plan(config: &Config, target: &PostgresTarget, in_force: bool) -> Option<Plan> {
    let dependency = config.dependency(DATABASE)?;
    match &dependency.target {
        Some(Target::Postgres(named)) if named == target => Some(Plan {
            migrate: config.database.migrate,
            direct: config.database.direct.as_ref().unwrap_or(target).clone(),
            patience: PATIENCE.min(dependency.checks.timeout / 2),
            in_force,
        }),
        _ => None,
    }
}

/// The probes of the real protocols; that of the database examines its schema.
pub(super) fn probes(keeper: Keeper) -> ProbeFactory {
    Arc::new(move |name, target| match target {
        Target::Postgres(postgres) if name.as_str() == DATABASE => {
            probe::examined(postgres, keeper.examiner(postgres))
        }
        _ => probe::for_target(target),
    })
}
