//! Postgres: an answered query over a session of its own, directly or through
//! a pooler.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::driver::Driver;
use super::{Probe, Session};
use crate::config::{Address, PostgresTarget, ServerAccess, SslMode};
use crate::dependency::{ErrorKind, Failure, Observation};
use crate::net::tls::{Roots, Verify};
use crate::net::{self, Stream};

mod classify;

pub use classify::failure;

/// One unnamed statement that only uses built-in types: it leaves nothing
/// behind on a connection that a pooler lends to someone else next.
const QUESTION: &str =
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";

/// Checks a Postgres server.
#[derive(Debug)]
pub struct PostgresProbe {
    target: PostgresTarget,
}

impl PostgresProbe {
    pub fn new(target: PostgresTarget) -> Self {
        Self { target }
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
            observe(self.access, column(0)?, column(1)?)
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

async fn open(target: &PostgresTarget) -> Result<(Client, Driver), Failure> {
    let mut config = Config::new();
    config
        .user(&target.user)
        .dbname(&target.database)
        .application_name("budgetd");
    if let Some(password) = &target.password {
        config.password(password.expose());
    }
    let transport = negotiate(target, net::connect(&target.address).await?).await?;
    match transport {
        Transport::Plain(stream) => {
            config.ssl_mode(tokio_postgres::config::SslMode::Disable);
            finish(config.connect_raw(stream, NoTls).await)
        }
        Transport::Encrypted { stream, host } => {
            // The server has already agreed: what is left is what the library
            // calls direct negotiation. Letting it do the handshake binds the
            // password exchange to the TLS channel (SCRAM-SHA-256-PLUS).
            config
                .ssl_mode(tokio_postgres::config::SslMode::Require)
                .ssl_negotiation(SslNegotiation::Direct);
            let verified = net::tls::client_config(&verify(target)).await?;
            let mut maker = MakeRustlsConnect::new(verified);
            let Ok(tls) = MakeTlsConnect::<Stream>::make_tls_connect(&mut maker, host);
            finish(config.connect_raw(stream, tls).await)
        }
    }
}

fn finish<S, T>(
    connected: Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>,
) -> Result<(Client, Driver), Failure>
where
    tokio_postgres::Connection<S, T>:
        Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    let (client, connection) = connected.map_err(|error| classify::at_login(&error))?;
    let driver = Driver::new(connection.map(|end| match end {
        Ok(()) => net::closed(),
        Err(error) => failure(&error),
    }));
    Ok((client, driver))
}

enum Transport<'a> {
    Plain(Stream),
    Encrypted { stream: Stream, host: &'a str },
}

/// Asks for encryption as `sslmode` says. As with libpq, a socket file is
/// never encrypted.
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>
async fn negotiate(target: &PostgresTarget, mut stream: Stream) -> Result<Transport<'_>, Failure> {
    /// `SSLRequest`: its length and its code.
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

    let host = match &target.address {
        Address::Tcp { host, .. } if target.ssl_mode != SslMode::Disable => host.as_str(),
        _ => return Ok(Transport::Plain(stream)),
    };
    let io = |error| net::failure(&error);
    stream.write_all(&SSL_REQUEST).await.map_err(io)?;
    match stream.read_u8().await.map_err(io)? {
        b'S' => Ok(Transport::Encrypted { stream, host }),
        b'N' if target.ssl_mode == SslMode::Prefer => Ok(Transport::Plain(stream)),
        b'N' => Err(Failure::new(
            ErrorKind::Tls,
            "the server does not offer TLS, and sslmode asks for it",
        )),
        // A server that cannot even begin says so without having encrypted;
        // nobody has proved who wrote it, so it is not repeated.
        b'E' => Err(Failure::new(
            ErrorKind::NotReady,
            "the server reports an error before any encryption",
        )),
        _ => Err(Failure::new(
            ErrorKind::Protocol,
            "the peer does not speak the Postgres protocol",
        )),
    }
}

/// libpq's `sslmode` in our words.
fn verify(target: &PostgresTarget) -> Verify {
    let roots = || match &target.ssl_root_cert {
        // libpq reads this word as the system's roots, too.
        Some(path) if path.as_os_str() == "system" => Roots::System,
        Some(path) => Roots::File(path.clone()),
        None => Roots::System,
    };
    match target.ssl_mode {
        SslMode::VerifyFull => Verify::Name(roots()),
        SslMode::VerifyCa => Verify::Chain(roots()),
        SslMode::Require if target.ssl_root_cert.is_some() => Verify::Chain(roots()),
        SslMode::Require | SslMode::Prefer | SslMode::Disable => Verify::Nothing,
    }
}

#[cfg(test)]
mod tests;
