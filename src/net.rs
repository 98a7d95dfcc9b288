//! Transport to a dependency: names, addresses, sockets, TLS, and what their
//! errors mean.
//!
//! Nothing here has a deadline of its own: dropping a future abandons the
//! attempt.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};

use crate::config::Address;
use crate::dependency::{ErrorKind, Failure};

mod stream;
pub mod tls;

pub use stream::Stream;

/// How long an address may keep silent before the next one is tried beside it:
/// the "Connection Attempt Delay" of RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long the machine at the other end may not be heard of.
const GONE_AFTER: Duration = Duration::from_mins(1);

/// Connects to an address: to whichever of the addresses behind a name answers
/// first.
pub async fn connect(address: &Address) -> Result<Stream, Failure> {
    match address {
        Address::Tcp { host, port } => {
            let addresses = resolve(host, *port).await?;
            let stream = connect_any(addresses).await?;
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Stream::Unix(stream)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(
                ErrorKind::Refused,
                "connection refused: the socket file does not exist",
            )),
            Err(error) => Err(failure(&error)),
        },
    }
}

/// Lets a connection that is meant to last end a minute after the machine at
/// its other end has gone without a word: nothing else would, once that has
/// taken what it was sent. A firewall on the way forgets it less easily, too.
/// <https://man7.org/linux/man-pages/man7/tcp.7.html>
pub fn keep_alive(stream: &Stream) -> io::Result<()> {
    let Stream::Tcp(stream) = stream else {
        return Ok(());
    };
    let probes = TcpKeepalive::new()
        .with_time(GONE_AFTER / 2)
        .with_interval(GONE_AFTER / 6)
        .with_retries(3);
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&probes)?;
    // For what was sent and is not acknowledged.
    socket.set_tcp_user_timeout(Some(GONE_AFTER))
}

/// What an error of a socket or of TLS means.
pub fn failure(error: &io::Error) -> Failure {
    use io::ErrorKind as Io;

    if let Some(error) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        return match error {
            rustls::Error::InvalidMessage(_) => {
                Failure::new(ErrorKind::Protocol, "the peer does not speak TLS")
            }
            _ => Failure::new(ErrorKind::Tls, error.to_string()),
        };
    }
    match error.kind() {
        Io::ConnectionRefused => Failure::new(ErrorKind::Refused, "connection refused"),
        Io::TimedOut => Failure::new(ErrorKind::Timeout, "the peer does not answer"),
        Io::HostUnreachable => Failure::new(ErrorKind::Timeout, "the host is unreachable"),
        Io::NetworkUnreachable => Failure::new(ErrorKind::Timeout, "the network is unreachable"),
        Io::PermissionDenied => Failure::new(
            ErrorKind::Auth,
            "the operating system denies this user the connection",
        ),
        Io::UnexpectedEof
        | Io::ConnectionReset
        | Io::ConnectionAborted
        | Io::BrokenPipe
        | Io::NotConnected
        | Io::WriteZero => closed(),
        Io::InvalidData | Io::InvalidInput => Failure::new(ErrorKind::Protocol, error.to_string()),
        // What is left is a want of this machine: file descriptors, ports,
        // memory. Like a timeout it deserves patience.
        _ => Failure::new(ErrorKind::Timeout, error.to_string()),
    }
}

/// The peer ended the conversation.
pub fn closed() -> Failure {
    Failure::new(ErrorKind::Closed, "the server closed the connection")
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(literal) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, port)]);
    }
    let resolved = tokio::net::lookup_host((host, port)).await;
    let mut addresses: Vec<_> = resolved
        .map_err(|error| {
            Failure::new(
                ErrorKind::Dns,
                format!("cannot resolve {host}: {}", resolver_words(&error)),
            )
        })?
        .collect();
    // A hosts file may name an address twice.
    let mut seen = Vec::with_capacity(addresses.len());
    addresses.retain(|address| {
        let new = !seen.contains(address);
        if new {
            seen.push(*address);
        }
        new
    });
    Ok(alternate_families(addresses))
}

/// The standard library puts a sentence of its own before the resolver's.
fn resolver_words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.strip_prefix("failed to lookup address information: ") {
        Some(words) => words.to_owned(),
        None => text,
    }
}

/// Keeps the resolver's order within a family and lets the families take
/// turns (RFC 8305, section 4), so that a network without one of them costs
/// one delay, not one for each of its addresses.
fn alternate_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().copied() else {
        return addresses;
    };
    let count = addresses.len();
    let (preferred, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut preferred, mut other) = (preferred.into_iter(), other.into_iter());
    let mut ordered = Vec::with_capacity(count);
    while ordered.len() < count {
        ordered.extend(preferred.next());
        ordered.extend(other.next());
    }
    ordered
}

/// Tries every address, each a little after the one before it or as soon as
/// all earlier ones have failed; the first connection wins (RFC 8305).
async fn connect_any(addresses: Vec<SocketAddr>) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut told: Option<Failure> = None;
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(connect_one(address));
        }
        let next_attempt = async {
            if waiting.len() == 0 {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(ATTEMPT_DELAY).await;
        };
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => told = Some(more_telling(told, failure(&error))),
                None => {
                    return Err(told.unwrap_or_else(|| {
                        Failure::new(ErrorKind::Dns, "the host name has no address")
                    }));
                }
            },
            () = next_attempt => {}
        }
    }
}

async fn connect_one(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Checks are small questions that wait for an answer: Nagle's algorithm
    // would only delay them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Of several addresses, one where a machine answered says more than one that
/// cannot be reached at all.
fn more_telling(earlier: Option<Failure>, later: Failure) -> Failure {
    match earlier {
        Some(earlier) if earlier.kind == ErrorKind::Refused || later.kind == earlier.kind => {
            earlier
        }
        _ => later,
    }
}

#[cfg(test)]
mod tests;
