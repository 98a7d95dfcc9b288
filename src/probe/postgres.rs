//! Postgres: an answered query over a session of its own, directly or through
//! a pooler.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::Client;

use super::{Probe, Session};
use crate::config::{PostgresTarget, ServerAccess};
use crate::dependency::{ErrorKind, Failure, Observation};
use crate::net;

mod classify;

mod open;

mod cancel;

pub use super::driver::Driver;
pub use cancel::cancel;
pub use classify::failure;
pub use open::open;

/// One unnamed statement that only uses built-in types: it leaves nothing
/// behind on a connection that a pooler lends to someone else next.
const QUESTION: &str =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";

/// Something else that must hold before a server counts as up.
pub trait Examine: std::fmt::Debug + Send + Sync + 'static {
    /// Asks over an open session whose server has just answered.
    fn examine<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Checks a Postgres server.
#[derive(Debug)]
pub struct PostgresProbe {
    target: PostgresTarget,
    examine: Option<Arc<dyn Examine>>,
}

impl PostgresProbe {
    pub fn new(target: PostgresTarget) -> Self {
        Self {
            target,
            examine: None,
        }
    }

    pub fn examined_by(self, examine: Arc<dyn Examine>) -> Self {
        Self {
            examine: Some(examine),
            ..self
        }
    }
}

impl Probe for PostgresProbe {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        async move {
            let (client, driver) = open(&self.target).await?;
            Ok(Box::new(PostgresSession {
                client: Some(client),
                driver,
                access: self.target.access,
                examine: self.examine.clone(),
            }) as Box<dyn Session>)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct PostgresSession {
    /// There until the session is dropped.
    client: Option<Client>,
    driver: Driver,
    access: ServerAccess,
    examine: Option<Arc<dyn Examine>>,
}

impl Session for PostgresSession {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        async move {
            let Some(client) = &self.client else {
                return Err(net::closed());
            };
            let answer = self
                .driver
                .run(client.query_typed_one(QUESTION, &[]))
                .await?;
            let row = answer.map_err(|error| match self.driver.end() {
                // The end of the connection knows the reason for it.
                Some(end) if error.is_closed() => end.clone(),
                _ => failure(&error),
            })?;
            let column = |index| row.try_get::<_, bool>(index).map_err(|e| failure(&e));
            let observed = observe(self.access, column(0)?, column(1)?)?;
            if let Some(examine) = &self.examine {
                self.driver.run(examine.examine(client)).await??;
            }
            Ok(observed)
        }
        .boxed()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        async move {
            self.driver.ended().await;
        }
        .boxed()
    }
}

impl Drop for PostgresSession {
    /// Says goodbye: servers and poolers log connections that just vanish.
    fn drop(&mut self) {
        drop(self.client.take());
        self.driver.nudge();
    }
}

/// What the answer means for a dependency with this access.
fn observe(
    access: ServerAccess,
    in_recovery: bool,
    read_only: bool,
) -> Result<Observation, Failure> {
    let note = match (access, in_recovery, read_only) {
        (ServerAccess::Primary, true, _) => {
            return Err(Failure::new(
                ErrorKind::NotReady,
                "the server is in recovery (a standby, or a primary that is not promoted yet)",
            ));
        }
        (ServerAccess::Any, true, _) => Some("the server is in recovery (a standby)"),
        (_, false, true) => Some("the server is read-only (default_transaction_read_only)"),
        (_, false, false) => None,
    };
    Ok(Observation {
        note: note.map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests;
