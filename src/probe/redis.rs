//! Redis: an answered PING over a session of its own.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};

use super::{Probe, Session};
use crate::config::{Address, RedisTarget};
use crate::dependency::{ErrorKind, Failure, Observation};
use crate::net::tls::{Roots, Verify};
use crate::net::{self, Stream};

mod classify;
mod dialogue;
mod login;

use dialogue::Dialogue;

pub use classify::failure;

/// Checks a Redis server.
#[derive(Debug)]
pub struct RedisProbe {
    target: RedisTarget,
}

impl RedisProbe {
    pub fn new(target: RedisTarget) -> Self {
        Self { target }
    }
}

impl Probe for RedisProbe {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        async move {
            let dialogue = begin(&self.target).await?;
            Ok(Box::new(RedisSession(dialogue)) as Box<dyn Session>)
        }
        .boxed()
    }
}

#[derive(Debug)]
struct RedisSession(Dialogue);

impl Session for RedisSession {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        async move {
            let answer = self.0.ask(&redis::cmd("PING")).await?;
            match answer.map_err(|error| failure(&error))? {
                Value::SimpleString(_) | Value::BulkString(_) => Ok(Observation::default()),
                _ => Err(Failure::new(
                    ErrorKind::Protocol,
                    "the answer to PING is not a Redis answer",
                )),
            }
        }
        .boxed()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        self.0.ended().boxed()
    }
}

/// Opens a connection that is logged in and has its database selected, and the
/// future that moves its bytes, which resolves when the connection ends.
///
/// Neither has a timeout: whoever calls owns the deadline of this and of each
/// command.
pub async fn open(
    target: &RedisTarget,
) -> Result<(MultiplexedConnection, BoxFuture<'static, ()>), Failure> {
    let stream = begin(target).await?.into_stream();
    // Credentials and database are settled: the library has nothing to say.
    let settled = RedisConnectionInfo::default().set_skip_set_lib_name();
    let patient = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None);
    let (connection, driver) = MultiplexedConnection::new_with_config(&settled, stream, patient)
        .await
        .map_err(|error| failure(&error))?;
    Ok((connection, driver.boxed()))
}

/// Connects, logs in and selects the database.
async fn begin(target: &RedisTarget) -> Result<Dialogue, Failure> {
    let mut dialogue = Dialogue::new(transport(target).await?);
    login::log_in(&mut dialogue, target).await?;
    Ok(dialogue)
}

async fn transport(target: &RedisTarget) -> Result<Stream, Failure> {
    let stream = net::connect(&target.address).await?;
    match &target.address {
        Address::Tcp { host, .. } if target.tls => {
            let config = net::tls::client_config(&Verify::Name(Roots::System)).await?;
            net::tls::handshake(stream, host, config).await
        }
        _ => Ok(stream),
    }
}
