//! One connection to Redis, and how it ended.

use std::sync::OnceLock;

use futures_util::future::BoxFuture;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Unanswered;
use super::verdict::{self, Verdict};
use crate::config::{RedisTarget, Secret};
use crate::dependency::Failure;
use crate::net;

/// An open connection that all requests share.
///
/// It is the unit in which faults are counted: many operations may find out
/// together that Redis does not answer, and the first of them fails the
/// connection for all.
#[derive(Debug)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    opened: Instant,
    /// What the server was told in confidence.
    password: Option<Secret>,
    /// Cancelled when it has ended, or is to.
    over: CancellationToken,
    fault: OnceLock<Failure>,
}

impl Link {
    pub(super) fn new(connection: MultiplexedConnection, target: &RedisTarget) -> Self {
        Self {
            connection,
            opened: Instant::now(),
            password: target.password.clone(),
            over: CancellationToken::new(),
            fault: OnceLock::new(),
        }
    }

    /// Moves the connection's bytes until either side ends it.
    pub(super) fn drive(
        &self,
        driver: BoxFuture<'static, ()>,
    ) -> impl Future<Output = ()> + use<> + Send + 'static {
        let over = self.over.clone();
        async move {
            over.run_until_cancelled(driver).await;
            over.cancel();
        }
    }

    /// One attempt, without a deadline of its own.
    pub(super) async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        ask: &impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, Verdict> {
        tokio::select! {
            biased;
            answer = ask(self.connection.clone()) => {
                answer.map_err(|error| verdict::of(&error).without(self.password.as_ref()))
            }
            () = self.over.cancelled() => Err(match self.fault.get() {
                Some(_) => Verdict::Overtaken,
                None => Verdict::Broken(net::closed()),
            }),
        }
    }

    /// Ends it for everybody because Redis failed a request. Only the first of
    /// those that find out together is told the failure.
    pub(super) fn fail(&self, failure: Failure) -> Unanswered {
        let first = self.fault.set(failure.clone()).is_ok();
        self.over.cancel();
        if first {
            Unanswered::Failed(failure)
        } else {
            Unanswered::Bypassed
        }
    }

    /// Ends it without anybody's fault.
    pub(super) fn close(&self) {
        self.over.cancel();
    }

    /// Resolves when it has ended.
    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }

    /// Why it was failed, if it was.
    pub(super) fn fault(&self) -> Option<&Failure> {
        self.fault.get()
    }

    pub(super) fn opened(&self) -> Instant {
        self.opened
    }
}
