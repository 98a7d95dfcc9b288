//! Keeps the schema right while the daemon runs: what a check of the database
//! sees of it decides, and what is pending is applied beside the checks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Behind, Incompatible, MigrateError, Migrated, Standing, apply, standing};
use crate::config::{Migrate, PostgresTarget};
use crate::dependency::{ErrorKind, Failure};
use crate::probe::postgres::Examine;

/// What is to be done about the schema of one database.
#[derive(Debug, Clone)]
pub struct Plan {
    pub migrate: Migrate,
    /// Where migrations connect.
    pub direct: PostgresTarget,
    /// How long a check may wait for a migration; a quick one costs it no
    /// failure.
    pub patience: Duration,
    /// It is the database that the daemon works with, not one that a reload
    /// tries out.
    pub in_force: bool,
}

/// The plan for a database, as the configuration has it now; `None` when it
/// names that database no more.
pub type Plans = Arc<dyn Fn(&PostgresTarget) -> Option<Plan> + Send + Sync>;

/// What the daemon should know.
#[derive(Debug)]
pub enum Notice {
    /// A migration that no check waited for has ended: look again.
    Settled,
    /// The daemon is too old for its database.
    Incompatible(Incompatible),
}

/// Examines schemas and applies what is pending. Cloning it shares it.
#[derive(Clone)]
pub struct Keeper {
    plans: Plans,
    notices: mpsc::UnboundedSender<Notice>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

type Outcome = Result<Option<Migrated>, MigrateError>;

/// The migration of one database.
struct Attempt {
    direct: PostgresTarget,
    /// While it runs.
    running: Option<watch::Sender<Option<Outcome>>>,
    /// How the one before it ended, if badly.
    last_error: Option<MigrateError>,
}

impl Keeper {
    /// A keeper that follows `plans`, and what it has to say.
    pub fn new(plans: Plans) -> (Self, mpsc::UnboundedReceiver<Notice>) {
        let (notices, arriving) = mpsc::unbounded_channel();
        let keeper = Self {
            plans,
            notices,
            attempts: Arc::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        (keeper, arriving)
    }

    /// What a check of the database at `target` has to ask besides.
    pub fn examiner(&self, target: &PostgresTarget) -> Arc<dyn Examine> {
        Arc::new(Examiner {
            keeper: self.clone(),
            target: target.clone(),
        })
    }

    /// Ends migrations that run: nothing is left of them.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn examine(&self, target: &PostgresTarget, client: &Client) -> Result<(), Failure> {
        let plan = (self.plans)(target);
        let behind = match (standing(client).await?, &plan) {
            (Standing::Right, _) => return Ok(()),
            (Standing::Incompatible(reason), _) => return Err(self.refuse(reason, plan.as_ref())),
            (Standing::Behind(behind), _) => behind,
        };
        let Some(plan) = plan.filter(|plan| plan.migrate == Migrate::Auto) else {
            return Err(not_ready(&format!("{behind}: run `budgetd migrate`")));
        };
        match self.attempt(&plan.direct, plan.patience).await? {
            Ok(_) => {}
            Err(MigrateError::Incompatible(reason)) => return Err(self.refuse(reason, Some(&plan))),
            Err(error) => return Err(not_ready(&error.to_string())),
        }
        match standing(client).await? {
            Standing::Right => Ok(()),
            Standing::Incompatible(reason) => Err(self.refuse(reason, Some(&plan))),
            Standing::Behind(behind) => Err(elsewhere(behind, &plan.direct)),
        }
    }

    fn refuse(&self, reason: Incompatible, plan: Option<&Plan>) -> Failure {
        let failure = Failure::new(ErrorKind::Config, reason.to_string());
        if plan.is_some_and(|plan| plan.in_force) {
            // Without a daemon there is nobody to tell.
            let _ = self.notices.send(Notice::Incompatible(reason));
        }
        failure
    }

    /// Waits a while for the migration, which goes on if that was too short.
    /// One runs at a time for each database.
    async fn attempt(
        &self,
        direct: &PostgresTarget,
        patience: Duration,
    ) -> Result<Outcome, Failure> {
        let (mut ending, last_error) = self.join(direct);
        let ended = timeout(patience, ending.wait_for(Option::is_some)).await;
        let outcome = match ended {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => return Err(not_ready("the daemon is stopping")),
            Err(_) => None,
        };
        outcome.ok_or_else(|| match last_error {
            Some(error) => not_ready(&format!("the schema is being migrated again: {error}")),
            None => not_ready("the schema is being migrated"),
        })
    }

    /// The migration that runs, or a new one, and how the last one failed.
    fn join(
        &self,
        direct: &PostgresTarget,
    ) -> (watch::Receiver<Option<Outcome>>, Option<MigrateError>) {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let known = attempts
            .iter()
            .position(|attempt| &attempt.direct == direct);
        let position = known.unwrap_or_else(|| {
            attempts.push(Attempt {
                direct: direct.clone(),
                running: None,
                last_error: None,
            });
            attempts.len() - 1
        });
        let attempt = &mut attempts[position];
        let running = attempt.running.get_or_insert_with(|| {
            let migrating = self.clone().migrate(direct.clone());
            let stop = self.stop.clone();
            self.tasks.spawn(stop.run_until_cancelled_owned(migrating));
            watch::Sender::new(None)
        });
        (running.subscribe(), attempt.last_error.clone())
    }

    async fn migrate(self, direct: PostgresTarget) {
        let began = Instant::now();
        let outcome = apply(&direct).await;
        if let Ok(Some(Migrated { from, to })) = &outcome {
            tracing::info!(
                event = "schema_migrated",
                from,
                to,
                duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                "the schema of {direct} is at version {to} now"
            );
        }
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = attempts.iter_mut().find(|attempt| attempt.direct == direct);
        let Some(ended) = ended else { return };
        ended.last_error = outcome.as_ref().err().cloned();
        let Some(running) = ended.running.take() else {
            return;
        };
        if running.receiver_count() == 0 {
            let _ = self.notices.send(Notice::Settled);
        }
        running.send_replace(Some(outcome));
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

fn not_ready(message: &str) -> Failure {
    Failure::new(ErrorKind::NotReady, message)
}

/// Everything was applied, and this database has none of it.
fn elsewhere(behind: Behind, direct: &PostgresTarget) -> Failure {
    not_ready(&format!(
        "{behind}, although migrations were applied at {direct}: \
         is the direct URL (DIRECT_URL) that of another database?"
    ))
}

#[derive(Debug)]
struct Examiner {
    keeper: Keeper,
    target: PostgresTarget,
}

impl Examine for Examiner {
    fn examine<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<(), Failure>> {
        self.keeper.examine(&self.target, client).boxed()
    }
}
