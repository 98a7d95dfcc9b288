//! When the service manager is told what: pure, with the time as an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::TICK;
use super::sentence::sentence;
use crate::health::Published;
use crate::systemd::Message;

/// What follows a start deadline until the manager hears of it.
const AFTERMATH: Duration = Duration::from_secs(2);
/// A promise is told again when it has moved by this much.
const NOTABLE: Duration = Duration::from_secs(1);

/// Where the daemon stands, as far as its manager is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    Starting,
    Serving,
    /// Serving, and a new configuration is tried.
    Reloading,
    /// Shutdown has begun, and everything is over by `end`.
    Leaving {
        step: Leaving,
        end: Instant,
    },
    /// Everything is closed; these are the last words.
    Stopped(String),
}

/// A step of the way out, and when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Balancers have until then to look elsewhere.
    Draining(Instant),
    /// Requests in flight have until then.
    Finishing(Instant),
    /// Sessions and clients are closed.
    Closing,
}

impl Leaving {
    pub(crate) fn with_end(self, end: Instant) -> Stage {
        Stage::Leaving { step: self, end }
    }
}

impl Stage {
    fn stops(&self) -> bool {
        matches!(self, Self::Leaving { .. } | Self::Stopped(_))
    }
}

/// What is known at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) published: &'a Published,
    /// When the supervisor last turned.
    pub(super) turned_at: Instant,
    /// Whether a monitor can no longer be replaced.
    pub(super) stuck: bool,
    pub(super) now: Instant,
}

/// What was told so far, and from that what is to be told next.
#[derive(Debug)]
pub(super) struct Report {
    stage: Stage,
    is_watched: bool,
    fed_at: Instant,
    /// The last sentence, and when it was told.
    status: Option<(String, Instant)>,
    /// The end of the present start or stop, as it was last told.
    promised: Option<Instant>,
}

impl Report {
    pub(super) fn new(is_watched: bool, now: Instant) -> Self {
        Self {
            stage: Stage::Starting,
            is_watched,
            fed_at: now,
            status: None,
            promised: None,
        }
    }

    /// The daemon has come to another stage.
    pub(super) fn enter(&mut self, stage: Stage) -> Vec<Message> {
        let message = match &stage {
            Stage::Serving => Some(Message::Ready),
            Stage::Reloading => Some(Message::Reloading),
            stage if stage.stops() && !self.stage.stops() => Some(Message::Stopping),
            _ => None,
        };
        if message.is_some() {
            self.promised = None;
        }
        self.stage = stage;
        // People are told of a stage at once.
        self.status = None;
        message.into_iter().collect()
    }

    /// What there is to say besides.
    pub(super) fn look(&mut self, seen: &Seen<'_>) -> Vec<Message> {
        let parts = [self.extension(seen), self.status(seen), self.food(seen)];
        parts.into_iter().flatten().collect()
    }

    /// What is left of deadlines that end by themselves. It is told when it
    /// becomes known and when it has moved, so no renewal keeps a start or a
    /// stop alive.
    fn extension(&mut self, seen: &Seen<'_>) -> Option<Message> {
        let end = match &self.stage {
            Stage::Starting => seen.now + start_left(seen)? + AFTERMATH,
            Stage::Leaving { end, .. } => *end,
            Stage::Serving | Stage::Reloading | Stage::Stopped(_) => return None,
        };
        let is_news = self.promised.is_none_or(|promised| {
            let (earlier, later) = (promised.min(end), promised.max(end));
            later - earlier >= NOTABLE
        });
        if !is_news {
            return None;
        }
        self.promised = Some(end);
        let left = end.saturating_duration_since(seen.now);
        Some(Message::ExtendTimeout(left))
    }

    fn status(&mut self, seen: &Seen<'_>) -> Option<Message> {
        let text = sentence(&self.stage, seen.published, seen.now);
        let is_due = match &self.status {
            Some((told, at)) => *told != text && seen.now - *at >= TICK,
            None => true,
        };
        if !is_due {
            return None;
        }
        self.status = Some((text.clone(), seen.now));
        Some(Message::Status(text))
    }

    /// Feeds the watchdog with each progress there is, not only when half of
    /// its patience is over: what a pause of the process or of the whole
    /// machine takes off that patience is taken off all of it.
    fn food(&mut self, seen: &Seen<'_>) -> Option<Message> {
        let is_due = self.is_watched && seen.now - self.fed_at >= TICK;
        let is_progress = seen.turned_at > self.fed_at && !seen.stuck;
        if !is_due || !is_progress {
            return None;
        }
        self.fed_at = seen.now;
        Some(Message::Watchdog)
    }
}

/// How long the start may still take, if all that gates has a deadline: one
/// dependency after the other may use up what it has left.
fn start_left(seen: &Seen<'_>) -> Option<Duration> {
    let dependencies = seen.published.snapshot.dependencies.iter();
    dependencies
        .filter(|dependency| dependency.policy.gates() && dependency.status.counts())
        .map(|dependency| dependency.start_deadline.left(seen.now))
        .sum()
}
