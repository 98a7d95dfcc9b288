//! What the errors of Redis mean.

use std::error::Error as _;
use std::io;

use redis::{ErrorKind as Library, RedisError};

use crate::dependency::{ErrorKind, Failure};
use crate::net;

/// What an error of the server, of its protocol or of the network means.
pub fn failure(error: &RedisError) -> Failure {
    if let Some(code) = error.code() {
        let detail = error.detail().unwrap_or_default();
        return Failure::new(kind_of(code, detail), words(code, detail));
    }
    match error.kind() {
        Library::Io => match error.source().and_then(|cause| cause.downcast_ref()) {
            Some(error) => net::failure(error as &io::Error),
            None => net::closed(),
        },
        Library::Parse | Library::UnexpectedReturnType => Failure::new(
            ErrorKind::Protocol,
            "the peer does not speak the Redis protocol",
        ),
        _ => Failure::new(ErrorKind::Protocol, error.to_string()),
    }
}

/// The first word of an error is its code.
fn kind_of(code: &str, detail: &str) -> ErrorKind {
    match code {
        // DENIED is the protected mode: a server without a password, asked
        // from another machine.
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => ErrorKind::Auth,
        // Redis before 6 has no code for a wrong password.
        "ERR" if detail.starts_with("invalid password") => ErrorKind::Auth,
        // LOADING, MASTERDOWN, CLUSTERDOWN, BUSY, MISCONF, too many clients:
        // it answers, in its own protocol, with an error.
        _ => ErrorKind::NotReady,
    }
}

/// The server's own words; a bare `ERR` adds nothing to them.
fn words(code: &str, detail: &str) -> String {
    match (code, detail) {
        (_, "") => code.to_owned(),
        ("ERR", _) => detail.to_owned(),
        _ => format!("{code} {detail}"),
    }
}

/// Whether the server turned the connection away for want of room. It has no
/// code of its own.
pub(super) fn is_full(error: &RedisError) -> bool {
    error.code() == Some("ERR")
        && error
            .detail()
            .is_some_and(|detail| detail.starts_with("max number of clients"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> RedisError {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes())
            .unwrap()
            .extract_error()
            .unwrap_err()
    }

    #[test]
    fn every_code_has_its_kind() {
        let table = [
            ("NOAUTH Authentication required.", ErrorKind::Auth),
            ("WRONGPASS invalid username-password pair", ErrorKind::Auth),
            ("NOPERM this user has no permissions", ErrorKind::Auth),
            ("DENIED Redis is running in protected mode", ErrorKind::Auth),
            ("ERR invalid password", ErrorKind::Auth),
            ("LOADING Redis is loading the dataset", ErrorKind::NotReady),
            ("MASTERDOWN Link with MASTER is down", ErrorKind::NotReady),
            ("CLUSTERDOWN The cluster is down", ErrorKind::NotReady),
            ("BUSY Redis is busy running a script", ErrorKind::NotReady),
            ("ERR max number of clients reached", ErrorKind::NotReady),
        ];
        for (line, kind) in table {
            let failure = failure(&said(line));
            assert_eq!(failure.kind, kind, "{line}");
            assert_eq!(failure.message, line.trim_start_matches("ERR "));
        }
    }

    #[test]
    fn other_bytes_and_ends_are_told_apart() {
        let garbage = redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert_eq!(failure(&garbage).kind, ErrorKind::Protocol);
        let reset = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(failure(&reset).kind, ErrorKind::Closed);
    }
}
