//! What comes of one turn.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::READY;
use crate::crowd::Crowd;
use crate::machine::processor_seconds;
use crate::statistics::count;
use crate::support::Daemon;
use crate::wrk::{self, Polls};

#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) polls: Polls,
    /// Processor time of a poll, in µs.
    pub(super) each: Option<f64>,
    /// Checks a second meanwhile.
    pub(super) checks: Option<f64>,
}

impl Turn {
    /// Nothing but the polls is of interest.
    pub(super) fn only(polls: Polls) -> Self {
        Self {
            polls,
            each: None,
            checks: None,
        }
    }

    /// The daemon is left alone before it is polled: what it takes then is no
    /// cost of polls. The crowd that it may watch sees how often it checks.
    pub(super) async fn of(daemon: &Daemon, length: Duration, crowd: Option<&Crowd>) -> Self {
        let alone = Spent::during(daemon, sleep(length)).await;
        crowd.map(Crowd::take_arrivals);
        let polled = Spent::during(daemon, wrk::poll(daemon.api(), READY, length, true)).await;
        let arrivals = crowd.map(Crowd::take_arrivals);
        let of_polls = polled.processor - alone.processor * polled.took / alone.took;
        Self {
            polls: polled.came,
            each: Some(1e6 * of_polls / polled.came.answers),
            checks: arrivals.map(|all| count(all.len()) / polled.took),
        }
    }
}

/// What the daemon took of the processors while something happened, in seconds.
struct Spent<T> {
    processor: f64,
    took: f64,
    came: T,
}

impl<T> Spent<T> {
    async fn during(daemon: &Daemon, happening: impl Future<Output = T>) -> Self {
        let (before, began) = (processor_seconds(daemon.pid()), Instant::now());
        let came = happening.await;
        Self {
            processor: processor_seconds(daemon.pid()) - before,
            took: began.elapsed().as_secs_f64(),
            came,
        }
    }
}
