//! The connections that requests share.

use std::ops::Deref;
use std::sync::Arc;

use deadpool::Runtime;
use deadpool::managed::{self, Object, PoolError, TimeoutType, Timeouts};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Connector};
use super::error::StoreError;
use super::{Settings, Tools, unavailable};
use crate::dependency::ErrorKind;

/// One in so many connections is kept free for revisions, which are short and
/// which every read that the cache could answer waits for. Of fewer
/// connections none is.
const SHARE_OF_REVISIONS: usize = 4;

/// Writes may hold one in so many: they wait for each other where they meet on
/// the same version, and reads must not wait for them.
const SHARE_OF_WRITES: usize = 2;

/// A connection on loan; it returns to the pool when this is dropped.
pub(super) struct Lease {
    connection: Object<Connector>,
    _places: Places,
}

impl Lease {
    /// Takes the connection away from the pool, which may open another one.
    pub(super) fn give_up(self) -> Connection {
        Object::take(self.connection)
    }
}

impl Deref for Lease {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
    /// A read that is short, and that others wait for.
    Revisions,
}

/// What is held beside a connection, of the shares that a purpose has to keep
/// within.
type Places = Vec<OwnedSemaphorePermit>;

/// Which connections will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Any,
    /// Where one was found dead, older ones are as well.
    OpenedAfter(Instant),
}

impl Wanted {
    pub(super) fn fresh() -> Self {
        Self::OpenedAfter(Instant::now())
    }
}

pub(super) struct Pool {
    settings: Settings,
    connections: managed::Pool<Connector>,
    /// Those that requests may hold at once, and writes among them.
    requests: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl Pool {
    /// Nothing connects yet.
    pub(super) fn new(settings: Settings, tools: &Tools) -> Self {
        let connector = Connector {
            target: Arc::new(settings.target.clone()),
            max_lifetime: settings.max_lifetime,
            cancelling: Arc::new(Semaphore::new(settings.pool_size)),
            tools: tools.clone(),
        };
        let patience = Some(settings.pool_timeout);
        let connections = managed::Pool::builder(connector)
            .max_size(settings.pool_size)
            .timeouts(Timeouts {
                wait: patience,
                create: patience,
                recycle: patience,
            })
            .runtime(Runtime::Tokio1)
            .build()
            .expect("timeouts are given a runtime");
        let size = settings.pool_size;
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            requests: places(size - size / SHARE_OF_REVISIONS),
            writes: places((size / SHARE_OF_WRITES).max(1)),
            settings,
            connections,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) async fn get(&self, wanted: Wanted, purpose: Purpose) -> Result<Lease, StoreError> {
        let places = self.places(purpose).await?;
        loop {
            let got = self.connections.get().await;
            let connection = got.map_err(|error| self.refused(error))?;
            match wanted {
                Wanted::OpenedAfter(then) if connection.opened_at() <= then => {
                    drop(Object::take(connection));
                }
                _ => {
                    return Ok(Lease {
                        connection,
                        _places: places,
                    });
                }
            }
        }
    }

    async fn places(&self, purpose: Purpose) -> Result<Places, StoreError> {
        let shares: &[_] = match purpose {
            Purpose::Revisions => &[],
            Purpose::Read => &[&self.requests],
            Purpose::Write => &[&self.writes, &self.requests],
        };
        let taking = async {
            let mut places = Places::new();
            for share in shares {
                places.push(Arc::clone(share).acquire_owned().await?);
            }
            Ok::<_, AcquireError>(places)
        };
        match timeout(self.settings.pool_timeout, taking).await {
            Ok(Ok(places)) => Ok(places),
            Ok(Err(_)) => Err(self.refused(PoolError::Closed)),
            Err(_) => Err(self.refused(PoolError::Timeout(TimeoutType::Wait))),
        }
    }

    /// Closes every idle connection.
    pub(super) fn purge(&self) {
        self.connections.retain(|_, _| false);
    }

    /// Closes idle connections that serve no one any more.
    pub(super) fn sweep(&self) {
        self.connections.retain(|connection, _| connection.is_fit());
    }

    /// Closes idle connections now, others when they come back, and opens no
    /// new ones.
    pub(super) fn close(&self) {
        self.writes.close();
        self.requests.close();
        self.connections.close();
    }

    fn refused(&self, error: PoolError<crate::dependency::Failure>) -> StoreError {
        let (size, patience) = (self.settings.pool_size, self.settings.pool_timeout);
        let patience = humantime::format_duration(patience);
        match error {
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy(format!(
                "all connections that such requests may use, of {size} (database.pool_size), were in use for {patience}"
            )),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => unavailable(
                ErrorKind::Timeout,
                &format!("no connection within {patience}"),
            ),
            PoolError::Backend(failure) => StoreError::Unavailable(failure),
            PoolError::Closed => unavailable(ErrorKind::Closed, "the pool is closed"),
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                unavailable(ErrorKind::NotReady, &error.to_string())
            }
        }
    }
}
