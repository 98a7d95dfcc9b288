//! Where a dependency is reached: parsed addresses whose `Display` never shows
//! a user or a password.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Secret;
use crate::dependency::Kind;

pub(super) mod parse;

/// What stands as it is in a name that is shown.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
const FOLDER: &AsciiSet = &NAME.remove(b'/');

/// What a probe connects to. Two equal targets are the same server with the
/// same credentials: a reload keeps the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Postgres(PostgresTarget),
    Redis(RedisTarget),
    Http(HttpTarget),
    Tcp(Address),
}

/// A transport address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `host` is a name or an address literal without brackets.
    Tcp { host: String, port: u16 },
    /// The path of a socket file.
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTarget {
    pub address: Address,
    pub user: String,
    pub password: Option<Secret>,
    pub database: String,
    pub ssl_mode: SslMode,
    /// Certificates to trust instead of the system's (`sslrootcert`).
    pub ssl_root_cert: Option<PathBuf>,
    pub access: ServerAccess,
}

/// libpq's `sslmode`: <https://www.postgresql.org/docs/current/libpq-ssl.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    Disable,
    /// libpq's `allow` is read as this, too: encrypted when the server can.
    Prefer,
    /// Encrypted; verified like `verify-ca` only when roots are given.
    Require,
    VerifyCa,
    VerifyFull,
}

/// Which servers count as up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerAccess {
    /// A server in recovery is not ready.
    Primary,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisTarget {
    pub address: Address,
    pub tls: bool,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub database: u32,
}

#[derive(Clone, PartialEq, Eq)]
pub struct HttpTarget {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// User and password of the URL, sent as basic authentication.
    pub credentials: Option<(String, Secret)>,
    /// Path and query as sent; the query is never shown.
    pub path_and_query: String,
    /// Sent with each check, `apikey` among them; values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// Status codes that mean reachable.
    pub accept: Vec<u16>,
}

impl HttpTarget {
    /// The path alone: a query often holds a key.
    fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or("/")
    }
}

impl fmt::Debug for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTarget")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            // A token stands in the place of the user as often as not.
            .field("credentials", &self.credentials.as_ref().map(|_| "***"))
            .field("path", &self.path())
            .field("headers", &self.headers)
            .field("accept", &self.accept)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let address = Address::Tcp {
            host: self.host.clone(),
            port: self.port,
        };
        write!(f, "{scheme}://{address}{}", self.path())
    }
}

impl Target {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Postgres(_) => Kind::Postgres,
            Self::Redis(_) => Kind::Redis,
            Self::Http(_) => Kind::Http,
            Self::Tcp(_) => Kind::Tcp,
        }
    }

    /// What the peer is told and nobody else: passwords, headers, the query,
    /// and the user of a web service, where tokens travel.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Postgres(PostgresTarget { password, .. })
            | Self::Redis(RedisTarget { password, .. }) => {
                password.iter().map(Secret::expose).collect()
            }
            Self::Http(target) => {
                let credentials = target.credentials.iter();
                let query = target.path_and_query.split_once('?');
                credentials
                    .flat_map(|(user, password)| [user.as_str(), password.expose()])
                    .chain(target.headers.iter().map(|(_, value)| value.expose()))
                    .chain(query.map(|(_, query)| query))
                    .collect()
            }
            Self::Tcp(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl fmt::Display for PostgresTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = utf8_percent_encode(&self.database, NAME);
        match &self.address {
            Address::Tcp { .. } => write!(f, "postgres://{}/{database}", self.address),
            // As a client writes it: the folder, and the port in the file's name.
            Address::Unix(socket) => {
                let folder = socket.parent().unwrap_or(socket).display().to_string();
                let port = socket.extension().unwrap_or_default().to_string_lossy();
                let folder = utf8_percent_encode(&folder, FOLDER);
                write!(f, "postgres:///{database}?host={folder}&port={port}")
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(target) => target.fmt(f),
            Self::Redis(target) => {
                let scheme = match (&target.address, target.tls) {
                    (Address::Unix(_), _) => "redis+unix",
                    (_, true) => "rediss",
                    (_, false) => "redis",
                };
                match target.address {
                    Address::Unix(_) => {
                        write!(f, "{scheme}://{}?db={}", target.address, target.database)
                    }
                    Address::Tcp { .. } => {
                        write!(f, "{scheme}://{}/{}", target.address, target.database)
                    }
                }
            }
            Self::Http(target) => target.fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}
