//! The limit of open files, which every connection counts against.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::admission::{MAX_ADMIN_CONNECTIONS, OVERFLOW, RESERVE};

/// What the process opens beside connections of clients: sessions with
/// dependencies, the request pool, the runtime, standard streams, libraries.
const OTHER_FILES: u64 = 128;

/// How many files the daemon may have open at once with this many connections
/// of the API.
pub fn needed(max_connections: usize) -> u64 {
    let connections = max_connections
        .saturating_add(RESERVE)
        .saturating_add(OVERFLOW)
        .saturating_add(MAX_ADMIN_CONNECTIONS);
    (connections as u64).saturating_add(OTHER_FILES)
}

/// The limit cannot be raised far enough.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot serve {max_connections} connections with {limit} open files: the limit of this process is too low; \
     set LimitNOFILE={needed} in the systemd unit (or `ulimit -n {needed}` before starting), or lower `api.max_connections`"
)]
pub struct FileLimitTooLow {
    pub max_connections: usize,
    pub needed: u64,
    /// The limit that could be reached.
    pub limit: u64,
}

/// Raises the soft limit (`RLIMIT_NOFILE`, getrlimit(2)) to the hard one and
/// says whether that is enough.
///
/// Nothing here uses `select(2)`, the one reason to keep a soft limit low.
pub fn raise(max_connections: usize) -> Result<u64, FileLimitTooLow> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // A refusal leaves the old limit, which is what counts then.
    let _ = setrlimit(Resource::Nofile, raised);
    check(max_connections, getrlimit(Resource::Nofile).current)
}

/// Whether `limit` open files (`None`: unlimited) are enough.
pub fn check(max_connections: usize, limit: Option<u64>) -> Result<u64, FileLimitTooLow> {
    let limit = limit.unwrap_or(u64::MAX);
    let needed = needed(max_connections);
    if limit >= needed {
        Ok(limit)
    } else {
        Err(FileLimitTooLow {
            max_connections,
            needed,
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_limit_says_what_to_set() {
        assert_eq!(check(10_000, None), Ok(u64::MAX));
        assert_eq!(
            check(10_000, Some(needed(10_000))),
            Ok(needed(10_000)),
            "exactly enough is enough"
        );
        let error = check(10_000, Some(1_024)).unwrap_err().to_string();
        assert!(error.starts_with("cannot serve 10000 connections with 1024 open files"));
        assert!(error.contains(&format!("LimitNOFILE={}", needed(10_000))));
        assert!(error.contains(&format!("ulimit -n {}", needed(10_000))));
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        let limit = raise(0).unwrap();
        assert_eq!(limit, hard.unwrap_or(u64::MAX));
    }
}
