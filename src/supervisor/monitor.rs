//! The task that watches one dependency: it owns the session, runs the checks
//! it is told to run, each under one deadline, and reports.

use std::sync::Arc;
use std::time::Duration;

use futures_channel::mpsc::UnboundedReceiver;
use futures_util::{FutureExt, StreamExt};
use rand::RngExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::node::NodeId;
use crate::dependency::{ErrorKind, Failure, Observation, Passed};
use crate::probe::{Probe, Session};

/// How old a session may get before a check is made over a new one, too.
const RENEW_AFTER: Duration = Duration::from_secs(50);
/// How old it may be at most, unless checks are still further apart.
const OLDEST: Duration = Duration::from_mins(1);
/// A deadline that is seen this much too late says more about this machine
/// than about the dependency.
const OVERSLEPT: Duration = Duration::from_secs(1);

/// One check, and its deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    /// For transport, handshake and authentication of a new session.
    pub(crate) connect_timeout: Duration,
    /// For an answer over an open session.
    pub(crate) timeout: Duration,
    /// Make a new session even if one is open.
    pub(crate) fresh: bool,
    /// How long after this check the next may come, if it passes.
    pub(crate) pause: Duration,
}

impl Order {
    /// One deadline over connect, handshake and the first answer.
    pub(crate) fn fresh_timeout(&self) -> Duration {
        self.connect_timeout.max(self.timeout)
    }

    /// How long the check can take at most: an open session that turns out to
    /// be closed is followed by a new one.
    pub(crate) fn longest(&self) -> Duration {
        self.timeout + self.fresh_timeout()
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Report {
    Checked(Checked),
    /// The peer closed the session while nothing was asked.
    SessionLost,
}

/// How a check ended.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) result: Result<Passed, Failure>,
    pub(crate) took: Duration,
    /// A new session was made.
    pub(crate) connected: bool,
    /// A new session could not be made while the old one answered.
    pub(crate) renewal_failure: Option<ErrorKind>,
    /// The deadline was noticed far too late: the process itself stood still.
    pub(crate) overslept: bool,
}

/// A report with its sender.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) node: NodeId,
    pub(crate) generation: u32,
    pub(crate) report: Report,
}

/// Who is watched, and where reports go.
#[derive(Debug)]
pub(crate) struct Monitor {
    pub(crate) node: NodeId,
    pub(crate) generation: u32,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) reports: mpsc::UnboundedSender<Sent>,
}

struct Open {
    session: Box<dyn Session>,
    since: Instant,
    renew_after: Duration,
    /// Why the last attempt to replace it failed.
    note: Option<String>,
}

impl Monitor {
    /// Watches until there are no more orders.
    pub(crate) async fn run(self, mut orders: UnboundedReceiver<Order>) {
        let mut open: Option<Open> = None;
        loop {
            tokio::select! {
                order = orders.next() => {
                    let Some(order) = order else { return };
                    let began = Instant::now();
                    let mut checked = tokio::select! {
                        checked = self.check(&mut open, order) => checked,
                        // No order comes during a check; only their end does.
                        None = orders.next() => return,
                    };
                    checked.took = began.elapsed();
                    self.send(Report::Checked(checked));
                }
                () = lost(&mut open) => {
                    open = None;
                    self.send(Report::SessionLost);
                }
            }
        }
    }

    fn send(&self, report: Report) {
        // The supervisor is gone only when the process stops.
        let _ = self.reports.send(Sent {
            node: self.node,
            generation: self.generation,
            report,
        });
    }

    /// What is done once in a while is boxed, for there may be thousands of
    /// monitors, and each takes as much room as its largest step.
    async fn check(&self, open: &mut Option<Open>, order: Order) -> Checked {
        let Some(mut current) = open.take() else {
            return self.check_fresh(open, order).boxed().await;
        };
        let renew_after = current.renew_after.min(OLDEST.saturating_sub(order.pause));
        if order.fresh || current.since.elapsed() >= renew_after {
            return self.renew(open, current, order).boxed().await;
        }
        let (result, overslept) = ask(current.session.as_mut(), order.timeout).await;
        match result {
            Ok(mut passed) => {
                passed.note = passed.note.or_else(|| current.note.clone());
                *open = Some(current);
                Checked::of(Ok(passed), overslept)
            }
            // Poolers and idle timeouts close sessions; a new one decides.
            Err(failure) if failure.kind == ErrorKind::Closed => {
                drop(current);
                self.check_fresh(open, order).boxed().await
            }
            Err(failure) => Checked::of(Err(failure), overslept),
        }
    }

    /// Checks over a new session.
    async fn check_fresh(&self, open: &mut Option<Open>, order: Order) -> Checked {
        let (result, overslept) = self.connect_and_ask(order).await;
        match result {
            Ok((session, passed)) => {
                *open = Some(Open::new(session));
                Checked {
                    connected: true,
                    ..Checked::of(Ok(passed), overslept)
                }
            }
            Err(failure) => Checked::of(Err(failure), overslept),
        }
    }

    /// Asks over the open session and over a new one, which replaces it. While
    /// the old one answers, a new one that cannot be made is only a note.
    async fn renew(&self, open: &mut Option<Open>, mut old: Open, order: Order) -> Checked {
        let (asked, fresh) = tokio::join!(
            ask(old.session.as_mut(), order.timeout),
            self.connect_and_ask(order),
        );
        let ((asked, _), (fresh, overslept)) = (asked, fresh);
        match (asked, fresh) {
            (_, Ok((session, passed))) => {
                *open = Some(Open::new(session));
                Checked {
                    connected: true,
                    ..Checked::of(Ok(passed), overslept)
                }
            }
            (Ok(mut passed), Err(failure)) => {
                let note = format!("a fresh session failed: {failure}");
                passed.note = Some(note.clone());
                *open = Some(Open {
                    note: Some(note),
                    ..Open::new(old.session)
                });
                Checked {
                    renewal_failure: Some(failure.kind),
                    ..Checked::of(Ok(passed), false)
                }
            }
            (Err(_), Err(failure)) => Checked::of(Err(failure), overslept),
        }
    }

    /// One deadline over transport, handshake and answer.
    async fn connect_and_ask(
        &self,
        order: Order,
    ) -> (Result<(Box<dyn Session>, Passed), Failure>, bool) {
        let began = Instant::now();
        let attempt = async {
            let connected = timeout(order.connect_timeout, self.probe.connect()).await;
            let mut session = connected
                .unwrap_or_else(|_| Err(no_answer("connecting", order.connect_timeout)))?;
            let asked = Instant::now();
            let Observation { note } = session.check().await?;
            let latency = asked.elapsed();
            Ok((session, Passed { latency, note }))
        };
        let limit = order.fresh_timeout();
        let result = timeout(limit, attempt).await;
        let result = result.unwrap_or_else(|_| Err(no_answer("a first answer", limit)));
        let overslept = overslept(result.as_ref().err(), began.elapsed(), limit);
        (result, overslept)
    }
}

impl Open {
    fn new(session: Box<dyn Session>) -> Self {
        // Chance keeps the renewals of many dependencies apart.
        let share: f64 = rand::rng().random_range(0.8..=1.0);
        Self {
            session,
            since: Instant::now(),
            renew_after: RENEW_AFTER.mul_f64(share),
            note: None,
        }
    }
}

impl Checked {
    pub(crate) fn of(result: Result<Passed, Failure>, overslept: bool) -> Self {
        Self {
            result,
            took: Duration::ZERO,
            connected: false,
            renewal_failure: None,
            overslept,
        }
    }
}

/// Asks over an open session, under one deadline.
async fn ask(session: &mut dyn Session, limit: Duration) -> (Result<Passed, Failure>, bool) {
    let began = Instant::now();
    let answer = timeout(limit, session.check()).await;
    let latency = began.elapsed();
    let result = match answer {
        Ok(answer) => answer.map(|Observation { note }| Passed { latency, note }),
        Err(_) => Err(no_answer("an answer", limit)),
    };
    let overslept = overslept(result.as_ref().err(), latency, limit);
    (result, overslept)
}

/// Whether a deadline was seen too late to mean anything.
pub(crate) fn overslept(failure: Option<&Failure>, took: Duration, limit: Duration) -> bool {
    failure.is_some_and(|failure| failure.kind == ErrorKind::Timeout) && took > limit + OVERSLEPT
}

fn no_answer(what: &str, limit: Duration) -> Failure {
    let limit = humantime::format_duration(limit);
    Failure::new(
        ErrorKind::Timeout,
        format!("timeout: {what} took longer than {limit}"),
    )
}

async fn lost(open: &mut Option<Open>) {
    match open {
        Some(open) => open.session.lost().await,
        None => std::future::pending().await,
    }
}
