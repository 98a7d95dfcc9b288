//! The budget in Postgres: a pool of connections for requests, and
//! transactions on them.
//!
//! Nothing here outlives a transaction on the server: it may sit behind a
//! pooler that lends its connections to someone else between two of them. So
//! every statement is unnamed and typed, and every setting is `SET LOCAL`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::FutureExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::budget::VersionId;
use crate::config::{self, Config, PostgresTarget, Target};
use crate::dependency::{DATABASE, ErrorKind, Failure};
use crate::health::Reader;

mod chores;

mod connection;

mod error;

mod pool;

mod transaction;

pub mod schema;

mod row;

pub mod versions;

pub mod lines;

pub mod aggregates;

pub mod idempotency;

mod revisions;

pub use revisions::Revision;

pub use error::StoreError;
pub use transaction::{Access, Parameters, Transaction};

use chores::{Chore, Chores};
use pool::{Pool, Purpose, Wanted};
use revisions::Asking;

/// Tells the supervisor that a request saw an error of the database.
pub type Hint = Arc<dyn Fn() + Send + Sync>;

/// The request pool. Cloning it shares it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    health: Reader,
    /// `None`: the configuration names no database.
    pool: ArcSwapOption<Pool>,
    tools: Tools,
    asking: Asking,
    closing: CancellationToken,
}

/// What every connection and transaction is given.
#[derive(Clone)]
struct Tools {
    hint: Hint,
    /// Everything that runs beside requests: connections' drivers, and the
    /// abandoned ones' cancellation.
    tasks: TaskTracker,
    /// Ends what is left of the tasks.
    stop: CancellationToken,
    runtime: tokio::runtime::Handle,
}

/// What a pool is made from. Equal settings keep the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    target: PostgresTarget,
    pool_size: usize,
    pool_timeout: Duration,
    statement_timeout: Duration,
    max_lifetime: Duration,
}

impl Settings {
    fn of(config: &Config) -> Option<Self> {
        let dependency = config.dependency(DATABASE)?;
        let config::Database {
            direct: _,
            pool_size,
            pool_timeout,
            statement_timeout,
            max_lifetime,
            migrate: _,
        } = config.database;
        match &dependency.target {
            Some(Target::Postgres(target)) if dependency.is_watched() => Some(Self {
                target: target.clone(),
                pool_size,
                pool_timeout,
                statement_timeout,
                max_lifetime,
            }),
            _ => None,
        }
    }
}

impl Store {
    /// A store for the database of `config`. Nothing connects before it is
    /// used. It must be made inside a runtime.
    pub fn new(config: &Config, health: Reader, hint: Hint) -> Self {
        let tools = Tools {
            hint,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: tokio::runtime::Handle::current(),
        };
        let (asking, questions) = Asking::new();
        let store = Self {
            shared: Arc::new(Shared {
                health,
                pool: ArcSwapOption::empty(),
                tools,
                asking,
                closing: CancellationToken::new(),
            }),
        };
        store.reconfigure(config);
        let shared = &store.shared;
        let tending = tend(Chores::new(shared.health.clone()), Arc::downgrade(shared));
        let answering = revisions::answer(questions, Arc::downgrade(shared));
        for task in [tending.boxed(), answering.boxed()] {
            let task = shared.closing.clone().run_until_cancelled_owned(task);
            shared.tools.tasks.spawn(task);
        }
        store
    }

    /// Takes over a reloaded configuration. Transactions on the old pool go
    /// on; its connections close as they end.
    pub fn reconfigure(&self, config: &Config) {
        let settings = Settings::of(config);
        let current = self.shared.pool.load();
        if current.as_ref().map(|pool| pool.settings()) == settings.as_ref() {
            return;
        }
        let pool = settings.map(|settings| Arc::new(Pool::new(settings, &self.shared.tools)));
        self.shared.pool.store(pool);
    }

    /// Runs `work` in a transaction that sees one state of the database and
    /// changes nothing (`REPEATABLE READ READ ONLY`, on the primary). A read
    /// that met a dead connection is done once more over a fresh one, so
    /// `work` may run twice. It must not keep the transaction.
    pub async fn read<T, E: From<StoreError>, F: Future<Output = Result<T, E>>>(
        &self,
        work: impl Fn(Arc<Transaction>) -> F,
    ) -> Result<T, E> {
        self.read_for(Purpose::Read, work).await
    }

    async fn read_for<T, E: From<StoreError>, F: Future<Output = Result<T, E>>>(
        &self,
        purpose: Purpose,
        work: impl Fn(Arc<Transaction>) -> F,
    ) -> Result<T, E> {
        let begin = |wanted| self.begin_on(Access::Read, wanted, purpose);
        let transaction = Arc::new(begin(Wanted::Any).await?);
        let outcome = work(transaction.clone()).await;
        if outcome.is_ok() || !transaction.met_a_dead_connection() {
            return outcome;
        }
        drop(transaction);
        let transaction = begin(Wanted::fresh()).await?;
        work(Arc::new(transaction)).await
    }

    /// Runs `work` in a transaction that is committed when `work` succeeds and
    /// rolled back when not (`READ COMMITTED`). An error while committing
    /// leaves unknown whether it was.
    pub async fn write<T, E: From<StoreError>, F: Future<Output = Result<T, E>>>(
        &self,
        work: impl FnOnce(Arc<Transaction>) -> F,
    ) -> Result<T, E> {
        let transaction = Arc::new(self.begin(Access::Write).await?);
        let done = work(transaction.clone()).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// A transaction for whoever needs it longer than a closure runs, such as
    /// a response that streams. One that is dropped is rolled back.
    pub async fn begin(&self, access: Access) -> Result<Transaction, StoreError> {
        let purpose = match access {
            Access::Read => Purpose::Read,
            Access::Write => Purpose::Write,
        };
        self.begin_on(access, Wanted::Any, purpose).await
    }

    async fn begin_on(
        &self,
        access: Access,
        connections: Wanted,
        purpose: Purpose,
    ) -> Result<Transaction, StoreError> {
        self.check_health()?;
        let pool = self.shared.pool.load_full();
        let pool = pool.ok_or_else(|| unavailable(ErrorKind::Config, "none is configured"))?;
        let mut wanted = connections;
        loop {
            let lease = pool.get(wanted, purpose).await;
            let lease = lease.inspect_err(|error| error.hint(&self.shared.tools.hint))?;
            let transaction = Transaction::new(lease, access, pool.settings().statement_timeout);
            match transaction.begin().await {
                Ok(()) => return Ok(transaction),
                // Nothing was done yet: another connection may be alive.
                Err(_) if transaction.met_a_dead_connection() && wanted == Wanted::Any => {
                    wanted = Wanted::fresh();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The current revision of a version, for requests that the cache may be
    /// able to answer. It is no older than the call.
    pub async fn revision(&self, version: VersionId) -> Result<Option<Revision>, StoreError> {
        self.shared.asking.revision(version).await
    }

    /// Nobody waits for a database that is known to be down.
    fn check_health(&self) -> Result<(), StoreError> {
        let published = self.shared.health.current();
        match published.snapshot.dependencies.get(DATABASE) {
            Some(database) if database.status.is_up() => Ok(()),
            Some(database) => Err(match &database.failure {
                Some(failure) => StoreError::Unavailable(failure.clone()),
                None => unavailable(ErrorKind::NotReady, "it is not up"),
            }),
            None => Err(unavailable(ErrorKind::Config, "none is configured")),
        }
    }

    /// Closes every connection; what still runs after `limit` is cut. The
    /// answer is whether there was a pool.
    pub async fn close(&self, limit: Duration) -> bool {
        self.shared.closing.cancel();
        let pool = self.shared.pool.swap(None);
        if let Some(pool) = &pool {
            pool.close();
        }
        let Tools { tasks, stop, .. } = &self.shared.tools;
        tasks.close();
        if timeout(limit, tasks.wait()).await.is_err() {
            stop.cancel();
            tasks.wait().await;
        }
        pool.is_some()
    }
}

/// Lets go of idle connections that nobody should meet.
async fn tend(mut chores: Chores, shared: Weak<Shared>) {
    while let Some(chore) = chores.next().await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Some(pool) = &*shared.pool.load() {
            match chore {
                Chore::Purge => pool.purge(),
                Chore::Sweep => pool.sweep(),
            }
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

fn unavailable(kind: ErrorKind, why: &str) -> StoreError {
    StoreError::Unavailable(Failure::new(kind, why))
}
