//! URLs into addresses.
//!
//! One splitter serves all schemes, because a URL library would refuse what
//! database tools accept (`postgres://user@/db?host=/run/postgresql`), and
//! because a stray `@`, `/` or `#` in a password must not move a part of the
//! password to where names are shown. Messages never quote a URL.

use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;
use url::Host;

use super::super::Secret;
use super::Address;

mod http;
mod postgres;
mod redis;

pub(in crate::config) use http::http;
pub(in crate::config) use postgres::postgres;
pub(in crate::config) use redis::redis;

const ENCODE: &str = "a character of the password (or of another part) needs percent-encoding: \
     write @ as %40, / as %2F, ? as %3F, # as %23 and a blank as %20";

/// What a URL says, and what of it is not understood and was left out.
#[derive(Debug)]
pub(in crate::config) struct Parsed<T> {
    pub(in crate::config) target: T,
    pub(in crate::config) ignored: Vec<String>,
}

/// The parts of `scheme://user:password@host:port/path?query`, decoded where
/// they name something.
struct Parts {
    /// In lower case.
    scheme: String,
    user: Option<String>,
    password: Option<Secret>,
    /// Decoded; may be empty or a path.
    host: String,
    port: Option<u16>,
    /// As written, with its slash.
    path: String,
    /// Path and query as written.
    tail: String,
    query: Vec<(String, String)>,
}

fn split(text: &str, example: &str) -> Result<Parts, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| format!("a URL is expected, such as {example}"))?;
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(ENCODE.to_owned());
    }
    let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if tail.contains('@') {
        return Err(ENCODE.to_owned());
    }
    let (userinfo, server) = match authority.rsplit_once('@') {
        Some((userinfo, server)) => (Some(userinfo), server),
        None => (None, authority),
    };
    if server.contains(',') {
        return Err(
            "one server is expected; declare a dependency of its own for each further one"
                .to_owned(),
        );
    }
    let (user, password) = match userinfo.map(|info| info.split_once(':').unwrap_or((info, ""))) {
        Some((user, password)) => (present(user)?, present(password)?.map(Secret::from)),
        None => (None, None),
    };
    let (host, port) = split_server(server)?;
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    Ok(Parts {
        scheme: scheme.to_ascii_lowercase(),
        user,
        password,
        host,
        port,
        path: path.to_owned(),
        tail: tail.to_owned(),
        query: split_query(query)?,
    })
}

fn split_server(server: &str) -> Result<(String, Option<u16>), String> {
    if let Some(rest) = server.strip_prefix('[') {
        let (address, rest) = rest
            .split_once(']')
            .ok_or("an IPv6 address ends with a bracket: [::1]")?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if rest.is_empty() => None,
            None => return Err("behind the bracket, only a port can follow: [::1]:5432".into()),
        };
        return Ok((address_literal(address)?, port));
    }
    let (host, port) = match server.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (server, None),
    };
    Ok((decode(host)?, port))
}

/// An IPv6 address, with the zone that link-local ones need (RFC 6874).
fn address_literal(text: &str) -> Result<String, String> {
    let address = decode(text)?;
    if is_ipv6(&address) {
        Ok(address)
    } else {
        Err("between brackets, an IPv6 address is expected".to_owned())
    }
}

fn is_ipv6(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or_default();
    address.parse::<Ipv6Addr>().is_ok()
}

fn split_query(query: &str) -> Result<Vec<(String, String)>, String> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            // Without a value it is no parameter, but maybe the rest of a
            // password: it has no name that could be shown.
            let (name, value) = pair.split_once('=').unwrap_or(("", pair));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "what is percent-encoded is not UTF-8")?;
    if decoded.contains(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    Ok(decoded.into_owned())
}

fn present(text: &str) -> Result<Option<String>, String> {
    Ok(Some(decode(text)?).filter(|text| !text.is_empty()))
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse::<u16>()
        .ok()
        .filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| format!("behind the host, a port from 1 to 65535 is expected; or {ENCODE}"))
}

/// A host name or an address literal without brackets, as a resolver takes it.
fn host_name(host: &str) -> Result<String, String> {
    if host.is_empty() {
        return Err("a host is expected".to_owned());
    }
    if is_ipv6(host) {
        return Ok(host.to_owned());
    }
    match Host::parse(host) {
        Ok(Host::Domain(name)) => Ok(name),
        Ok(Host::Ipv4(address)) => Ok(address.to_string()),
        _ => Err("the host is neither a name nor an address".to_owned()),
    }
}

/// `tcp://host:port`.
pub(in crate::config) fn tcp(text: &str) -> Result<Parsed<Address>, String> {
    const EXAMPLE: &str = "tcp://host:port";
    let parts = split(text, EXAMPLE)?;
    let bare = parts.user.is_none() && parts.password.is_none() && parts.query.is_empty();
    match parts.port {
        Some(port) if parts.scheme == "tcp" && bare && matches!(&*parts.path, "" | "/") => {
            Ok(Parsed {
                target: Address::Tcp {
                    host: host_name(&parts.host)?,
                    port,
                },
                ignored: Vec::new(),
            })
        }
        _ => Err(format!("{EXAMPLE} is expected, and nothing else in it")),
    }
}

/// Parameters that others read out of such a URL: libpq, asyncpg and Prisma,
/// redis-py.
const FOREIGN: &[&str] = &[
    "application_name",
    "channel_binding",
    "client_encoding",
    "client_name",
    "command_timeout",
    "connect_timeout",
    "connection_limit",
    "decode_responses",
    "encoding",
    "gssencmode",
    "health_check_interval",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "load_balance_hosts",
    "max_connections",
    "options",
    "passfile",
    "pgbouncer",
    "pool_timeout",
    "prepared_statement_cache_size",
    "protocol",
    "require_auth",
    "retry_on_timeout",
    "schema",
    "service",
    "socket_connect_timeout",
    "socket_timeout",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "statement_cache_size",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Says that a parameter was left out. Only a known name is told: any other
/// may be a part of a password that was not encoded.
fn parameter_name(name: &str) -> String {
    if FOREIGN.contains(&name) {
        format!("the URL's parameter `{name}` is ignored")
    } else {
        "a parameter of the URL is ignored".to_owned()
    }
}

#[cfg(test)]
mod tests;
