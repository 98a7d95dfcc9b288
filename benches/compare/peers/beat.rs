//! What one writes down without thinking: a loop that asks every second.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Watcher;
use crate::clients::{ping, query};

const PERIOD: Duration = Duration::from_secs(1);

/// Asks each dependency by a task of its own.
#[derive(Debug, Default)]
pub(crate) struct Beat {
    known: Vec<(&'static str, watch::Receiver<Option<bool>>)>,
    tasks: JoinSet<()>,
}

impl Beat {
    pub(crate) fn redis(self, name: &'static str, port: u16) -> Self {
        self.asking(
            name,
            move || async move { ping(port).await.unwrap_or(false) },
        )
    }

    pub(crate) fn postgres(self, name: &'static str, port: u16) -> Self {
        self.asking(name, move || async move {
            query(port, "SELECT 1").await.is_some()
        })
    }

    fn asking<F: Future<Output = bool> + Send>(
        mut self,
        name: &'static str,
        ask: impl Fn() -> F + Send + 'static,
    ) -> Self {
        let (told, known) = watch::channel(None);
        self.known.push((name, known));
        self.tasks.spawn(async move {
            loop {
                let asked = timeout(PERIOD, ask()).await;
                told.send_replace(Some(asked.unwrap_or(false)));
                sleep(PERIOD).await;
            }
        });
        self
    }
}

impl Watcher for Beat {
    async fn says(&self, dependency: &str, up: bool) -> bool {
        let known = self.known.iter().find(|(name, _)| *name == dependency);
        known.is_some_and(|(_, state)| *state.borrow() == Some(up))
    }
}
