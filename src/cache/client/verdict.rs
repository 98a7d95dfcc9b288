//! What an error of Redis means for the operation that met it, and for others.

use redis::RedisError;

use crate::config::Secret;
use crate::dependency::{ErrorKind, Failure};
use crate::probe::redis::failure;

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Redis refused this operation and may well do another: it is full, or a
    /// replica that only reads, or the key holds something else.
    Refused(Failure),
    /// The connection ended: another one may do.
    Broken(Failure),
    /// Redis is in no state to be asked.
    Unusable(Failure),
    /// Another operation has found it unusable.
    Overtaken,
}

impl Verdict {
    /// The same without what the server was told in confidence.
    pub(super) fn without(self, secret: Option<&Secret>) -> Self {
        let hide = |failure: Failure| failure.without(secret.map(Secret::expose));
        match self {
            Self::Refused(failure) => Self::Refused(hide(failure)),
            Self::Broken(failure) => Self::Broken(hide(failure)),
            Self::Unusable(failure) => Self::Unusable(hide(failure)),
            Self::Overtaken => Self::Overtaken,
        }
    }
}

/// Codes with which Redis refuses everything, whatever it is asked:
/// <https://github.com/redis/redis/blob/7.0/src/server.c#L1766>.
const UNUSABLE: [&str; 7] = [
    "LOADING",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "BUSY",
    "NOAUTH",
    "WRONGPASS",
    "DENIED",
];

pub(super) fn of(error: &RedisError) -> Verdict {
    let failure = failure(error);
    match error.code() {
        Some(code) if UNUSABLE.contains(&code) => Verdict::Unusable(failure),
        Some(_) => Verdict::Refused(failure),
        // What cannot be parsed leaves unknown where the next answer begins.
        None if failure.kind == ErrorKind::Protocol => Verdict::Unusable(failure),
        None => Verdict::Broken(failure),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn said(line: &str) -> Verdict {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        of(&value.extract_error().unwrap_err())
    }

    #[test]
    fn a_refusal_concerns_one_operation() {
        for line in [
            "OOM command not allowed when used memory > 'maxmemory'.",
            "READONLY You can't write against a read only replica.",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "MISCONF Redis is configured to save RDB snapshots",
            "NOREPLICAS Not enough good replicas to write.",
            "NOPERM this user has no permissions",
            "ERR unknown command",
        ] {
            assert!(matches!(said(line), Verdict::Refused(_)), "{line}");
        }
    }

    #[test]
    fn a_server_that_refuses_everything_is_not_asked_again() {
        for line in [
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down",
            "BUSY Redis is busy running a script",
            "NOAUTH Authentication required.",
        ] {
            assert!(matches!(said(line), Verdict::Unusable(_)), "{line}");
        }
    }

    #[test]
    fn a_broken_connection_may_be_replaced_and_garbage_may_not() {
        let reset = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(matches!(of(&reset), Verdict::Broken(_)));
        let garbage = redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert!(matches!(of(&garbage), Verdict::Unusable(_)));
    }
}
