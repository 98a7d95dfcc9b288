//! What one writes down without thinking: a loop that asks every second.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Watcher;
use crate::clients::{ping, query};

const PERIOD: Duration = Duration::from_secs(1);

/// Asks a Redis and a Postgres, each by a task of its own.
#[derive(Debug)]
pub(crate) struct Beat {
    known: [(&'static str, watch::Receiver<Option<bool>>); 2],
    _tasks: JoinSet<()>,
}

impl Beat {
    pub(crate) fn start(redis: (&'static str, u16), postgres: (&'static str, u16)) -> Self {
        let mut tasks = JoinSet::new();
        let ((of_redis, redis_up), (of_postgres, postgres_up)) =
            (watch::channel(None), watch::channel(None));
        tasks.spawn(async move {
            loop {
                let asked = timeout(PERIOD, ping(redis.1)).await;
                of_redis.send_replace(Some(matches!(asked, Ok(Ok(true)))));
                sleep(PERIOD).await;
            }
        });
        tasks.spawn(async move {
            loop {
                let asked = timeout(PERIOD, query(postgres.1, "SELECT 1")).await;
                of_postgres.send_replace(Some(matches!(asked, Ok(Some(_)))));
                sleep(PERIOD).await;
            }
        });
        Self {
            known: [(redis.0, redis_up), (postgres.0, postgres_up)],
            _tasks: tasks,
        }
    }
}

impl Watcher for Beat {
    async fn says(&self, dependency: &str, up: bool) -> bool {
        let known = self.known.iter().find(|(name, _)| *name == dependency);
        known.is_some_and(|(_, state)| *state.borrow() == Some(up))
    }
}
