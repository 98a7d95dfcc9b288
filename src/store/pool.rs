//! The connections that requests share.

use std::ops::Deref;
use std::sync::Arc;

use deadpool::Runtime;
use deadpool::managed::{self, Object, PoolError, TimeoutType, Timeouts};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Connector};
use super::error::StoreError;
use super::{Settings, Tools, unavailable};
use crate::dependency::ErrorKind;

/// One in so many connections is kept free for revisions, which are short and
/// which every read that the cache could answer waits for. Of fewer
/// connections none is.
const SHARE_OF_REVISIONS: usize = 4;

/// A connection on loan; it returns to the pool when this is dropped.
pub(super) struct Lease {
    connection: Object<Connector>,
    _place: Option<OwnedSemaphorePermit>,
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
    /// To answer a request, however long that takes.
    Request,
    /// To look revisions up.
    Revisions,
}

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
    /// Those that requests may hold at once.
    places: Arc<Semaphore>,
}

impl Pool {
    /// Nothing connects yet.
    pub(super) fn new(settings: Settings, tools: &Tools) -> Self {
        let connector = Connector {
            target: Arc::new(settings.target.clone()),
            max_lifetime: settings.max_lifetime,
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
        let kept = settings.pool_size / SHARE_OF_REVISIONS;
        Self {
            places: Arc::new(Semaphore::new(settings.pool_size - kept)),
            settings,
            connections,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) async fn get(&self, wanted: Wanted, purpose: Purpose) -> Result<Lease, StoreError> {
        let place = match purpose {
            Purpose::Request => Some(self.place().await?),
            Purpose::Revisions => None,
        };
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
                        _place: place,
                    });
                }
            }
        }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let place = self.places.clone().acquire_owned();
        match timeout(self.settings.pool_timeout, place).await {
            Ok(Ok(place)) => Ok(place),
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
        self.places.close();
        self.connections.close();
    }

    fn refused(&self, error: PoolError<crate::dependency::Failure>) -> StoreError {
        let (size, patience) = (self.settings.pool_size, self.settings.pool_timeout);
        let patience = humantime::format_duration(patience);
        match error {
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy(format!(
                "all of {size} connections that requests may use were in use for {patience} (database.pool_size)"
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
