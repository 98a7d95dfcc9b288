//! Redis URLs, as registered with IANA
//! (<https://www.iana.org/assignments/uri-schemes/prov/redis>), and the socket
//! forms of the clients in use.

use std::path::PathBuf;

use super::super::{Address, RedisTarget, Secret};
use super::{Parsed, decode, host_name, parameter_name, split};

const EXAMPLE: &str = "redis://user:password@host:6379/0";
const DEFAULT_PORT: u16 = 6379;

/// `redis://`, `rediss://` (TLS), and `unix://` or `redis+unix://` with the
/// path of a socket and `?db=`.
pub(in crate::config) fn redis(text: &str) -> Result<Parsed<RedisTarget>, String> {
    let parts = split(text, EXAMPLE)?;
    let socket = match parts.scheme.as_str() {
        "redis" | "rediss" => false,
        "unix" | "redis+unix" => true,
        _ => {
            return Err(format!(
                "a URL such as {EXAMPLE}, rediss://… or unix:///path?db=0 is expected"
            ));
        }
    };
    let mut user = parts.user;
    let mut password = parts.password;
    let (address, mut database) = if socket {
        (socket_address(&parts.host, &parts.path)?, 0)
    } else {
        let address = Address::Tcp {
            host: host_name(&parts.host)?,
            port: parts.port.unwrap_or(DEFAULT_PORT),
        };
        (address, number(parts.path.trim_matches('/'))?)
    };
    let mut ignored = Vec::new();
    for (name, value) in parts.query {
        match name.as_str() {
            "db" => database = number(&value)?,
            "user" | "username" => user = Some(value),
            "pass" | "password" => password = Some(Secret::from(value)),
            _ => ignored.push(parameter_name(&name)),
        }
    }
    Ok(Parsed {
        target: RedisTarget {
            address,
            tls: parts.scheme == "rediss",
            user,
            password,
            database,
        },
        ignored,
    })
}

fn socket_address(host: &str, path: &str) -> Result<Address, String> {
    if !host.is_empty() || path.len() < 2 {
        return Err(
            "the absolute path of a socket is expected, with three slashes: unix:///run/redis/redis.sock"
                .to_owned(),
        );
    }
    Ok(Address::Unix(PathBuf::from(decode(path)?)))
}

fn number(text: &str) -> Result<u32, String> {
    if text.is_empty() {
        return Ok(0);
    }
    // A server allows as many as it is configured for; the protocol, an int.
    text.parse::<i32>()
        .ok()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| "behind the host, the number of a database is expected".to_owned())
}
