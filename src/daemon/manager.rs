//! What the service manager is told: `report` decides, one task sends.

use std::fmt;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::health::Reader;
use crate::supervisor::Pulse;
use crate::systemd::{self, Message, Socket};

mod report;

mod sentence;

pub(super) use report::{Leaving, Stage};

use report::{Report, Seen};

/// How often there may be something new to say without anything happening: a
/// countdown, and proof of progress. Never more often, either, except when the
/// stage changes.
const TICK: Duration = Duration::from_secs(1);
/// In half of it the supervisor must have turned, and somebody looked.
const SHORTEST_WATCHDOG: Duration = Duration::from_secs(4);
/// How long a last message may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The manager wants to hear of progress more often than there is any.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot keep a watchdog of {} fed: checks prove their progress once every {} ms; set WatchdogSec= to {} or more",
    humantime::format_duration(*.0), Pulse::PERIOD.as_millis(), humantime::format_duration(SHORTEST_WATCHDOG)
)]
pub struct TooShort(Duration);

/// The watchdog's interval, if there is a watchdog.
pub(super) fn watchdog() -> Result<Option<Duration>, TooShort> {
    match systemd::watchdog() {
        Some(limit) if limit < SHORTEST_WATCHDOG => Err(TooShort(limit)),
        limit => Ok(limit),
    }
}

/// The daemon cannot begin; people read this in `systemctl status`.
pub(super) async fn last_words(words: &str) {
    if let Ok(Some(socket)) = Socket::from_environment() {
        let status = [Message::Status(words.to_owned())];
        let _ = super::within(LAST_WORDS, socket.tell(&status)).await;
    }
}

/// Tells the manager what stage the daemon is in, and what goes on in it.
/// Without a manager nothing is told and nothing is missed.
#[derive(Debug)]
pub(super) struct Manager {
    stages: Option<mpsc::UnboundedSender<Stage>>,
    telling: JoinSet<()>,
}

impl Manager {
    pub(super) fn begin(watchdog: Option<Duration>, health: Reader, pulse: Pulse) -> Self {
        let mut telling = JoinSet::new();
        let socket = match Socket::from_environment() {
            Ok(socket) => socket,
            Err(error) => {
                failed(&error);
                None
            }
        };
        let stages = socket.map(|socket| {
            let (sender, stages) = mpsc::unbounded_channel();
            let report = Report::new(watchdog.is_some(), Instant::now());
            telling.spawn(tell(socket, report, stages, health, pulse));
            sender
        });
        Self { stages, telling }
    }

    pub(super) fn enter(&self, stage: Stage) {
        if let Some(stages) = &self.stages {
            let _ = stages.send(stage);
        }
    }

    /// Waits until everything was told.
    pub(super) async fn close(&mut self) {
        self.stages = None;
        while self.telling.join_next().await.is_some() {}
    }
}

async fn tell(
    socket: Socket,
    mut report: Report,
    mut stages: mpsc::UnboundedReceiver<Stage>,
    mut health: Reader,
    pulse: Pulse,
) {
    let mut deaf = false;
    let mut entered = None;
    loop {
        let seen = Seen {
            published: &health.current(),
            turned_at: pulse.turned_at(),
            stuck: pulse.is_stuck(),
            now: Instant::now(),
        };
        let mut messages = entered.map_or_else(Vec::new, |stage| report.enter(stage));
        messages.extend(report.look(&seen));
        if !messages.is_empty() {
            let told = socket.tell(&messages).await;
            // One line for each time that the manager does not hear.
            if let Err(error) = &told
                && !deaf
            {
                failed(error);
            }
            deaf = told.is_err();
        }
        let changed = async {
            // Without its writer the state stays as it is.
            if health.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        entered = tokio::select! {
            biased;
            stage = stages.recv() => match stage {
                Some(stage) => Some(stage),
                None => return,
            },
            () = changed => None,
            () = sleep(TICK) => None,
        };
    }
}

fn failed(error: &impl fmt::Display) {
    tracing::warn!(
        event = "systemd_notify_failed",
        error = %error,
        "cannot notify the service manager: {error}"
    );
}

#[cfg(test)]
mod tests;
