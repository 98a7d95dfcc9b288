//! Every probe against the real thing.

use std::time::Duration;

use budgetd::config::{Address, Target};
use budgetd::dependency::{ErrorKind, Failure, Observation};
use budgetd::probe::{Session, for_target};

use crate::support::within;

mod http;
mod pgbouncer;
mod postgres;
mod redis;
mod tcp;

/// A session that is open.
async fn open(target: &Target) -> Box<dyn Session> {
    let session = within("a session opens", for_target(target).connect()).await;
    session.unwrap_or_else(|failure| panic!("cannot connect to {target}: {failure:?}"))
}

/// One check over a session of its own.
async fn check(target: &Target) -> Result<Observation, Failure> {
    within(format!("{target} is checked"), async {
        for_target(target).connect().await?.check().await
    })
    .await
}

/// How a check that fails, fails.
async fn failure(target: &Target) -> Failure {
    check(target).await.expect_err("it must not be up")
}

async fn kind(target: &Target) -> ErrorKind {
    failure(target).await.kind
}

/// Whether a future is still pending after a while in which a living server
/// would long have answered.
async fn stays_pending(future: impl Future) -> bool {
    let patience = Duration::from_millis(300);
    tokio::time::timeout(patience, future).await.is_err()
}

fn localhost(port: u16) -> Address {
    Address::Tcp {
        host: "localhost".into(),
        port,
    }
}
