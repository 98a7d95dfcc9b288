//! One connection to the database, and how it is opened and given up.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use rand::RngExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_postgres::Client;

use super::Tools;
use crate::config::{PostgresTarget, Secret};
use crate::dependency::Failure;
use crate::probe::postgres::{cancel, open};

/// How long a server may take to accept that a query is to be cancelled. It may
/// be standing still, and a `PgBouncer` before it (1.18.0 and 1.19.0,
/// <https://github.com/pgbouncer/pgbouncer/pull/846>) ends itself once the
/// server goes on, if who asked it to cancel has left meanwhile.
const CANCEL_TIMEOUT: Duration = Duration::from_mins(1);
/// The share of the lifetime that chance may take off, so that connections
/// that were opened together do not end together.
const LIFETIME_SPREAD: f64 = 0.1;

/// Opens connections to one server; what they all share.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) target: Arc<PostgresTarget>,
    pub(super) max_lifetime: Duration,
    /// Places for those that ask for a cancellation: a server that takes its
    /// time must not collect connections without end.
    pub(super) cancelling: Arc<Semaphore>,
    pub(super) tools: Tools,
}

/// A connection that has logged in. Its driver ends when this is dropped and
/// everything that was asked is answered.
pub(super) struct Connection {
    client: Client,
    opened_at: Instant,
    lifetime: Duration,
    end: Arc<OnceLock<Failure>>,
    connector: Connector,
}

impl Connector {
    async fn connect(&self) -> Result<Connection, Failure> {
        let secrets = self.target.password.iter().map(Secret::expose);
        let opened = open(&self.target).await;
        let (client, mut driver) = opened.map_err(|failure| failure.without(secrets))?;
        let end = Arc::new(OnceLock::new());
        let (stop, ended) = (self.tools.stop.clone(), end.clone());
        self.tools.tasks.spawn(async move {
            if let Some(failure) = stop.run_until_cancelled(driver.ended()).await {
                let _ = ended.set(failure.clone());
            }
        });
        let kept = 1.0 - rand::rng().random_range(0.0..LIFETIME_SPREAD);
        Ok(Connection {
            client,
            opened_at: Instant::now(),
            lifetime: self.max_lifetime.mul_f64(kept),
            end,
            connector: self.clone(),
        })
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = Failure;

    async fn create(&self) -> Result<Connection, Failure> {
        // Connecting is rare and its state is large: transactions that borrow
        // a connection are spared it.
        Box::pin(self.connect()).await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Failure> {
        if connection.is_fit() {
            Ok(())
        } else {
            Err(RecycleError::message("closed, or past its lifetime"))
        }
    }
}

impl Connection {
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Why it ended, if that is known.
    pub(super) fn end(&self) -> Option<&Failure> {
        self.end.get()
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.connector.tools
    }

    /// Whether it may serve another transaction.
    pub(super) fn is_fit(&self) -> bool {
        !self.client.is_closed() && self.opened_at.elapsed() < self.lifetime
    }

    /// Asks the server to drop what it does for this connection, which closes
    /// with its answer. Without that an abandoned statement runs on until its
    /// timeout.
    pub(super) fn cancel(self) {
        if self.client.is_closed() {
            return;
        }
        let token = self.client.cancel_token();
        let Connector {
            target,
            cancelling,
            tools,
            ..
        } = self.connector;
        // Without a place, or should it fail, the statement's own timeout
        // ends it.
        let Ok(place) = cancelling.try_acquire_owned() else {
            return;
        };
        let cancelling = async move {
            let _place = place;
            let _ = timeout(CANCEL_TIMEOUT, cancel(&target, &token)).await;
        };
        let cancelling = tools.stop.run_until_cancelled_owned(cancelling);
        tools.tasks.spawn_on(cancelling, &tools.runtime);
    }
}
