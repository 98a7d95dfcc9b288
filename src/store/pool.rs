//! The connections that requests share.

use std::sync::Arc;

use deadpool::Runtime;
use deadpool::managed::{self, Object, PoolError, TimeoutType, Timeouts};
use tokio::time::Instant;

use super::connection::Connector;
use super::error::StoreError;
use super::{Settings, Tools, unavailable};
use crate::dependency::ErrorKind;

/// A connection on loan; it returns to the pool when this is dropped.
pub(super) type Lease = Object<Connector>;

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
        Self {
            settings,
            connections,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) async fn get(&self, wanted: Wanted) -> Result<Lease, StoreError> {
        loop {
            let got = self.connections.get().await;
            let lease = got.map_err(|error| self.refused(error))?;
            match wanted {
                Wanted::OpenedAfter(then) if lease.opened_at() <= then => {
                    drop(Object::take(lease));
                }
                _ => return Ok(lease),
            }
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
        self.connections.close();
    }

    fn refused(&self, error: PoolError<crate::dependency::Failure>) -> StoreError {
        let (size, patience) = (self.settings.pool_size, self.settings.pool_timeout);
        let patience = humantime::format_duration(patience);
        match error {
            PoolError::Timeout(TimeoutType::Wait) => StoreError::Busy(format!(
                "all {size} connections were in use for {patience} (database.pool_size)"
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
