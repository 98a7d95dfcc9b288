//! Opening a connection: for checks, for requests and for migrations alike.

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::config::SslNegotiation;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Driver;
use super::classify::{at_login, failure};
use crate::config::{Address, PostgresTarget, SslMode};
use crate::dependency::{ErrorKind, Failure};
use crate::net::tls::{Roots, Verify};
use crate::net::{self, Stream};

/// Connects and logs in. Nothing moves on the connection while its driver is
/// not run.
pub async fn open(target: &PostgresTarget) -> Result<(Client, Driver), Failure> {
    let mut config = Config::new();
    config
        .user(&target.user)
        .dbname(&target.database)
        .application_name("budgetd");
    if let Some(password) = &target.password {
        config.password(password.expose());
    }
    let stream = net::connect(&target.address).await?;
    net::keep_alive(&stream).map_err(|error| net::failure(&error))?;
    match negotiate(target, stream).await? {
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
    let (client, connection) = connected.map_err(|error| at_login(&error))?;
    let driver = Driver::new(connection.map(|end| match end {
        Ok(()) => net::closed(),
        Err(error) => failure(&error),
    }));
    Ok((client, driver))
}

pub(super) enum Transport<'a> {
    Plain(Stream),
    Encrypted { stream: Stream, host: &'a str },
}

/// Asks for encryption as `sslmode` says. As with libpq, a socket file is
/// never encrypted.
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL>
pub(super) async fn negotiate(
    target: &PostgresTarget,
    mut stream: Stream,
) -> Result<Transport<'_>, Failure> {
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
pub(super) fn verify(target: &PostgresTarget) -> Verify {
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
