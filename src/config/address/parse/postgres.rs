//! libpq's URLs: <https://www.postgresql.org/docs/current/libpq-connect.html>,
//! as the drivers of the existing deployment write them.

use std::path::PathBuf;

use super::super::{Address, PostgresTarget, Secret, ServerAccess, SslMode};
use super::{Parsed, decode, host_name, parameter_name, parse_port, split};

const EXAMPLE: &str = "postgres://user:password@host:5432/database";
const DEFAULT_PORT: u16 = 5432;
/// A URL without a user means the superuser of a fresh server: libpq would
/// take the name of whoever runs the process, which a service has no use for.
const DEFAULT_USER: &str = "postgres";

/// `postgres://`, `postgresql://`, and either with a driver's name behind a
/// plus: `postgresql+asyncpg://`.
pub(in crate::config) fn postgres(text: &str) -> Result<Parsed<PostgresTarget>, String> {
    let parts = split(text, EXAMPLE)?;
    let family = parts.scheme.split('+').next().unwrap_or_default();
    if !matches!(family, "postgres" | "postgresql") {
        return Err(format!("a URL such as {EXAMPLE} is expected"));
    }
    let mut host = parts.host;
    let mut port = parts.port;
    let mut user = parts.user;
    let mut password = parts.password;
    let mut database = decode(parts.path.strip_prefix('/').unwrap_or_default())?;
    if parts.path.get(1..).is_some_and(|path| path.contains('/')) {
        return Err("behind the host, one database name is expected".to_owned());
    }
    let mut ssl = Ssl::default();
    let mut ignored = Vec::new();
    for (name, value) in parts.query {
        match name.as_str() {
            "host" => host = value,
            "port" => port = Some(parse_port(&value)?),
            "user" => user = Some(value),
            "password" => password = Some(Secret::from(value)),
            "dbname" | "database" => database = value,
            "sslmode" | "ssl" => ssl.mode = Some(ssl_mode(&value)?),
            "sslrootcert" if value == "system" => ssl.system_roots = true,
            "sslrootcert" => ssl.root_cert = Some(PathBuf::from(value)),
            _ => ignored.push(parameter_name(&name)),
        }
    }
    if host.contains(',') {
        return Err(
            "one server is expected; declare a dependency of its own for each further one"
                .to_owned(),
        );
    }
    let user = user.unwrap_or_else(|| DEFAULT_USER.to_owned());
    if database.is_empty() {
        // libpq: "defaults to be the same as the user name".
        database.clone_from(&user);
    }
    Ok(Parsed {
        target: PostgresTarget {
            address: address(&host, port.unwrap_or(DEFAULT_PORT))?,
            user,
            password,
            database,
            ssl_mode: ssl.mode(),
            ssl_root_cert: ssl.root_cert,
            access: ServerAccess::Primary,
        },
        ignored,
    })
}

/// A host that begins with a slash is the folder of the server's socket.
fn address(host: &str, port: u16) -> Result<Address, String> {
    if host.starts_with('/') {
        let folder = host.trim_end_matches('/');
        let socket = format!("{folder}/.s.PGSQL.{port}");
        return Ok(Address::Unix(PathBuf::from(socket)));
    }
    Ok(Address::Tcp {
        host: host_name(host)?,
        port,
    })
}

#[derive(Default)]
struct Ssl {
    mode: Option<SslMode>,
    root_cert: Option<PathBuf>,
    /// `sslrootcert=system`, which in libpq implies full verification.
    system_roots: bool,
}

impl Ssl {
    fn mode(&self) -> SslMode {
        match self.mode {
            Some(mode) => mode,
            None if self.system_roots => SslMode::VerifyFull,
            None => SslMode::Prefer,
        }
    }
}

/// The values of libpq's `sslmode`, and the truth values of asyncpg's `ssl`.
fn ssl_mode(text: &str) -> Result<SslMode, String> {
    match text {
        "disable" | "false" => Ok(SslMode::Disable),
        "allow" | "prefer" => Ok(SslMode::Prefer),
        "require" | "true" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(
            "sslmode is one of disable, allow, prefer, require, verify-ca and verify-full"
                .to_owned(),
        ),
    }
}
