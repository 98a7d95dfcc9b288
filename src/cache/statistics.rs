//! What Redis tells about itself, asked at most once a second.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::config::{Dependency, Target};
use crate::dependency::{CACHE, ErrorKind, Failure, Name, quote};
use crate::health::{Reader, Status};
use crate::net;
use crate::probe::redis::{failure, open};

/// An answer serves everybody for this long.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Tells the supervisor that a request saw an error.
pub type Hint = Arc<dyn Fn(&Name) + Send + Sync>;

/// The cache dependency as configured now.
pub type Source = Arc<dyn Fn() -> Option<Dependency> + Send + Sync>;

/// Answers `GET /health/cache`.
pub struct Statistics {
    health: Reader,
    dependency: Source,
    hint: Hint,
    /// The lock makes concurrent requests wait for one question.
    last: Mutex<Option<(Instant, Value)>>,
}

impl Statistics {
    pub fn new(health: Reader, dependency: Source, hint: Hint) -> Self {
        Self {
            health,
            dependency,
            hint,
            last: Mutex::new(None),
        }
    }

    /// The statistics, within the deadline of one check.
    pub async fn read(&self) -> Value {
        let published = self.health.current();
        let Some(health) = published.snapshot.dependencies.get(CACHE) else {
            return json!({"status": "disabled"});
        };
        if !health.status.counts() {
            return json!({"status": "disabled"});
        }
        if !health.status.is_up() {
            // Whoever asks is not made to wait for what is known to be down.
            return match (&health.failure, health.status) {
                (Some(failure), _) => refused(failure),
                (None, Status::Blocked) => json!({"status": "error", "error": "blocked"}),
                (None, _) => json!({"status": "error", "error": "not checked yet"}),
            };
        }
        let mut last = self.last.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < KEPT_FOR
        {
            return value.clone();
        }
        let value = match self.ask().await {
            Ok(value) => value,
            Err(failure) => {
                (self.hint)(&health.name);
                refused(&failure)
            }
        };
        *last = Some((Instant::now(), value.clone()));
        value
    }

    async fn ask(&self) -> Result<Value, Failure> {
        let dependency = (self.dependency)();
        let Some((Some(target), checks)) =
            dependency.map(|dependency| (dependency.target, dependency.checks))
        else {
            return Ok(json!({"status": "disabled"}));
        };
        let Target::Redis(redis) = &target else {
            return Ok(json!({"status": "disabled"}));
        };
        let question = async {
            let (mut connection, driver) = open(redis).await?;
            let asking = std::pin::pin!(info(&mut connection));
            match select(asking, driver).await {
                Either::Left((answer, _)) => answer,
                Either::Right(((), _)) => Err(net::closed()),
            }
        };
        let late = |_| Failure::new(ErrorKind::Timeout, "timeout: Redis did not answer");
        let answered = timeout(checks.timeout, question).await.map_err(late)?;
        // What a server quotes of our own words stays between us.
        match answered {
            Ok((info, keys)) => Ok(statistics(&info, keys, &target.secrets())),
            Err(failure) => Err(failure.without(target.secrets())),
        }
    }
}

impl std::fmt::Debug for Statistics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statistics").finish_non_exhaustive()
    }
}

/// The reply of INFO, and how many keys there are.
async fn info(connection: &mut MultiplexedConnection) -> Result<(String, u64), Failure> {
    let classify = |error| failure(&error);
    let info = redis::cmd("INFO")
        .query_async(connection)
        .await
        .map_err(classify)?;
    let keys = redis::cmd("DBSIZE")
        .query_async(connection)
        .await
        .map_err(classify)?;
    Ok((info, keys))
}

fn refused(failure: &Failure) -> Value {
    json!({
        "status": "error",
        "error": failure.message,
        "error_kind": failure.kind.as_str(),
    })
}

/// Reads the reply of INFO: lines of `field:value`.
/// <https://redis.io/docs/latest/commands/info/>
fn statistics(info: &str, keys: u64, secrets: &[&str]) -> Value {
    let field = |name: &str| {
        info.lines()
            .filter_map(|line| line.trim_end().split_once(':'))
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    };
    let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
    let (hits, misses) = (number("keyspace_hits"), number("keyspace_misses"));
    json!({
        "status": "enabled",
        "connected_clients": number("connected_clients"),
        "used_memory": number("used_memory"),
        "total_keys": keys,
        "hits": hits,
        "misses": misses,
        "hit_rate": hit_rate(hits.unwrap_or(0), misses.unwrap_or(0)),
        "uptime_seconds": number("uptime_in_seconds"),
        "redis_version": field("redis_version").map(|said| quote(said, secrets.iter().copied())),
    })
}

/// The share of look-ups that found something, with four decimals.
#[allow(clippy::cast_precision_loss)]
fn hit_rate(hits: u64, misses: u64) -> f64 {
    let all = hits.saturating_add(misses);
    if all == 0 {
        return 0.0;
    }
    (hits as f64 / all as f64 * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_of_info_becomes_statistics() {
        let info = "# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:61\r\n# Clients\r\n\
                    connected_clients:3\r\nused_memory:1048576\r\nused_memory_human:1.00M\r\n\
                    keyspace_hits:2\r\nkeyspace_misses:1\r\n";
        assert_eq!(
            statistics(info, 42, &[]),
            json!({
                "status": "enabled",
                "connected_clients": 3,
                "used_memory": 1_048_576,
                "total_keys": 42,
                "hits": 2,
                "misses": 1,
                "hit_rate": 0.6667,
                "uptime_seconds": 61,
                "redis_version": "7.0.15",
            })
        );
    }

    #[test]
    fn a_reply_that_says_nothing_is_no_disaster() {
        let value = statistics("", 0, &[]);
        assert_eq!(value["hit_rate"], 0.0);
        assert_eq!(value["redis_version"], Value::Null);
    }

    #[test]
    fn what_the_server_was_told_in_confidence_is_not_repeated() {
        let value = statistics("redis_version:7 for sesame\r\n", 0, &["sesame"]);
        assert_eq!(value["redis_version"], "7 for ***");
    }
}
