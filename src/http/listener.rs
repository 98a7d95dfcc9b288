//! Addresses: bound early, so that a taken one is found at start, and listened
//! on late, so that the kernel refuses connects until the gate opens.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::config::{AdminListen, Listen};

mod unix;

use unix::SocketFile;

/// How many connections may wait to be accepted; the kernel caps it at
/// `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

/// A listener could not be made: what was attempted, on what, why, and what
/// to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {address}: {reason}; {advice}")]
pub struct ListenError {
    verb: &'static str,
    address: String,
    reason: String,
    advice: String,
    #[source]
    source: io::Error,
}

impl ListenError {
    fn tcp(verb: &'static str, listen: &Listen, setting: &str, source: io::Error) -> Self {
        let (reason, advice) = match source.kind() {
            io::ErrorKind::AddrInUse => (
                "another process listens there".to_owned(),
                format!(
                    "`ss -ltnp 'sport = :{}'` shows it: stop it, or change `{setting}`",
                    listen.port
                ),
            ),
            io::ErrorKind::PermissionDenied => (
                "the operating system does not permit it".to_owned(),
                format!(
                    "ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or change `{setting}`"
                ),
            ),
            io::ErrorKind::AddrNotAvailable => (
                "no interface of this machine has that address".to_owned(),
                format!("`ip address` lists them: correct `{setting}`"),
            ),
            _ => (source.to_string(), format!("correct `{setting}`")),
        };
        Self {
            verb,
            address: listen.to_string(),
            reason,
            advice,
            source,
        }
    }
}

/// An address that is ours but refuses every connect.
#[derive(Debug)]
pub struct BoundListener {
    socket: Socket,
    address: SocketAddr,
    listen: Listen,
    setting: &'static str,
}

impl BoundListener {
    /// Takes the address. A host name may resolve to several: the first that
    /// can be bound is taken, IPv4 before IPv6. `setting` is the key that an
    /// error names.
    ///
    /// `SO_REUSEADDR` is set, or connections in `TIME_WAIT` would block a restart
    /// for a minute; with it two starting processes can both bind, and the
    /// second one fails in [`Self::listen`].
    pub async fn bind(listen: &Listen, setting: &'static str) -> Result<Self, ListenError> {
        let failed = |verb, source| ListenError::tcp(verb, listen, setting, source);
        let mut addresses: Vec<SocketAddr> =
            tokio::net::lookup_host((listen.host.as_str(), listen.port))
                .await
                .map_err(|error| failed("resolve", error))?
                .collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);

        let mut refused = io::Error::other("the name has no address");
        for address in addresses {
            match bind(address) {
                Ok((socket, address)) => {
                    return Ok(Self {
                        socket,
                        address,
                        listen: listen.clone(),
                        setting,
                    });
                }
                Err(error) => refused = error,
            }
        }
        Err(failed("bind", refused))
    }

    /// The address with its real port, when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From here on the kernel accepts.
    pub fn listen(self) -> Result<TcpListener, ListenError> {
        self.socket
            .listen(BACKLOG)
            .and_then(|()| TcpListener::from_std(self.socket.into()))
            .map_err(|error| ListenError::tcp("listen on", &self.listen, self.setting, error))
    }
}

fn bind(address: SocketAddr) -> io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    let bound = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket, bound))
}

/// The admin listener, which listens from the first moment.
#[derive(Debug)]
pub struct AdminListener(pub(super) AdminSocket);

#[derive(Debug)]
pub(super) enum AdminSocket {
    Tcp(TcpListener),
    /// The file goes away with the listener.
    Unix(UnixListener, SocketFile),
}

impl AdminListener {
    /// `None` when the configuration asks for none.
    pub async fn open(listen: &AdminListen) -> Result<Option<Self>, ListenError> {
        Ok(match listen {
            AdminListen::None => None,
            AdminListen::Tcp(listen) => {
                let bound = BoundListener::bind(listen, "admin.listen").await?;
                Some(Self(AdminSocket::Tcp(bound.listen()?)))
            }
            AdminListen::Unix(path) => {
                let (listener, file) = unix::listen(path, BACKLOG)?;
                Some(Self(AdminSocket::Unix(listener, file)))
            }
        })
    }

    pub fn address(&self) -> AdminAddress {
        match &self.0 {
            AdminSocket::Tcp(listener) => AdminAddress::Tcp(listener.local_addr().ok()),
            AdminSocket::Unix(_, file) => AdminAddress::Unix(file.path().to_owned()),
        }
    }
}

/// Where the admin listener is reached, as an operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    Tcp(Option<SocketAddr>),
    Unix(PathBuf),
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(Some(address)) => write!(f, "{address}"),
            Self::Tcp(None) => f.write_str("unknown"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
