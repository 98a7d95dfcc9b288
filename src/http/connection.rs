//! One connection: hyper, and the deadlines it does not have.
//!
//! hyper's own header timeout also cuts idle keep-alive connections, which
//! balancers hold for a minute; so each stage of a connection has a deadline
//! of its own here, and one timer that is only touched when the next deadline
//! comes earlier than the one it is set to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::activity::{Activity, End, Stage};
use super::error;
use super::transport::{Transport, Watched};
use super::wire::{Answer, Wire};

/// How long a connection waits for the next request before it rests: who asks
/// one thing after the other is not made to wait for buffers.
const REST_AFTER: Duration = Duration::from_millis(100);

/// How long a connection that was accepted during shutdown may take to send
/// its first byte.
const FIRST_BYTE_GRACE: Duration = Duration::from_secs(1);

/// How long a close waits for a peer that is still sending, so that the answer
/// it was given is not lost to a reset (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// What a lingering close reads away at most, in bytes.
const LINGER_BYTES: u64 = 1024 * 1024;

/// How long each stage may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// Without a request, and before the first byte of the first one.
    pub(super) idle: Duration,
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Without a byte of the response going out.
    pub(super) write: Duration,
}

/// Why a connection ended; a normal end needs no words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// hyper was done with it: either side closed.
    Closed,
    /// No request came.
    Idle,
    /// A head took too long.
    SlowHead,
    /// The peer did not take its response.
    SlowReader,
    /// All heads together are too large.
    Crowded,
    /// It begins like HTTP/2.
    OtherVersion,
}

/// Serves a connection until one side has enough of it, or `stop` is cancelled
/// and no request is on its way any more.
pub(super) async fn serve<T: Transport, S: Answer>(
    transport: T,
    activity: Arc<Activity>,
    service: S,
    deadlines: Deadlines,
    stop: CancellationToken,
) -> Ended {
    let now = Instant::now();
    let mut driver = Driver {
        end: activity.end(),
        wire: Wire::new(Watched::new(transport, activity.clone()), service),
        changes: activity.changes(),
        activity,
        deadlines,
        since: now,
        last_write: now,
        accepted: now,
        timer: Box::pin(sleep_until(now + deadlines.idle)),
        stop: Box::pin(stop.cancelled_owned()),
        stopping: Stopping::No,
        may_rest: true,
        drained: None,
    };
    let ended = (&mut driver).await;
    let Driver {
        end,
        wire,
        activity,
        ..
    } = driver;
    drop(end);
    if let Some(transport) = wire.into_transport() {
        finish(transport, &activity, ended).await;
    }
    ended
}

/// How far a connection has got with an order to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    /// A request may be on its way: hyper is told once it has arrived, or when
    /// none has begun in time.
    AfterHead {
        until: Instant,
    },
    /// hyper closes as soon as nothing is in flight.
    Told,
}

/// What comes of a deadline.
#[derive(Debug, Clone, Copy)]
enum Due {
    Rest,
    End(Ended),
}

struct Driver<T: Transport, S: Answer> {
    /// Stands first, because fields are dropped in their order.
    end: End,
    wire: Wire<T, S>,
    activity: Arc<Activity>,
    deadlines: Deadlines,
    /// The number of changes of stage that have been seen.
    changes: u32,
    /// When the stage began.
    since: Instant,
    last_write: Instant,
    accepted: Instant,
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    stopping: Stopping,
    /// It has not rested yet since the stage changed: bytes that begin no
    /// request wake it once.
    may_rest: bool,
    /// The number of changes of stage after which hyper is polled once more
    /// because of a body that was not read.
    drained: Option<u32>,
}

impl<T: Transport, S: Answer> Future for Driver<T, S> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        loop {
            // What hyper calls an error (a reset, garbage it has answered) is
            // the peer's doing and ends the connection like any close. It shuts
            // the transport down itself, for only then does it wait until what
            // it has buffered is written.
            if let Poll::Ready(result) = this.wire.poll(cx) {
                return Poll::Ready(this.ended(result.err().as_ref()));
            }
            this.observe();
            this.follow_body(cx);
            if this.follow_stop(cx) {
                continue;
            }
            let Some((deadline, due)) = this.deadline() else {
                return Poll::Pending;
            };
            if deadline < this.timer.deadline() {
                this.timer.as_mut().reset(deadline);
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if deadline > Instant::now() {
                this.timer.as_mut().reset(deadline);
                continue;
            }
            match due {
                Due::End(ended) => return Poll::Ready(ended),
                Due::Rest => {
                    this.may_rest = false;
                    this.activity.rested();
                    this.wire.rest();
                }
            }
        }
    }
}

impl<T: Transport, S: Answer> Driver<T, S> {
    /// How hyper came to its end. It answers all that it cannot parse, apart
    /// from the preface of HTTP/2.
    fn ended(&self, error: Option<&hyper::Error>) -> Ended {
        let is_unanswered = self.activity.owes_nothing() && !self.activity.was_refused();
        if self.activity.is_crowded() {
            Ended::Crowded
        } else if error.is_some_and(hyper::Error::is_parse) && is_unanswered {
            Ended::OtherVersion
        } else {
            Ended::Closed
        }
    }

    /// Reads the clock, once and only when something has happened.
    fn observe(&mut self) {
        let changes = self.activity.changes();
        let wrote = self.activity.take_wrote();
        if changes == self.changes && !wrote {
            return;
        }
        let now = Instant::now();
        if changes != self.changes {
            self.changes = changes;
            self.since = now;
            self.may_rest = true;
        }
        if wrote {
            self.last_write = now;
        }
    }

    /// Finds out what became of a body that was not read and is in nobody's
    /// hands any more.
    ///
    /// Whenever hyper is polled it first looks after such a body: what has
    /// arrived as a whole it reads away, and otherwise it closes. So one that
    /// has been polled since the answer went out, and has not ended, waits for
    /// the next head.
    fn follow_body(&mut self, cx: &Context<'_>) {
        let activity = &self.activity;
        if !activity.left_body_unread() || !activity.owes_nothing() || activity.holds_body() {
            return;
        }
        let now = Some(self.changes);
        if self.drained == now {
            activity.set_body_unread(false);
        } else {
            self.drained = now;
            cx.waker().wake_by_ref();
        }
    }

    /// Returns whether hyper must be polled again.
    fn follow_stop(&mut self, cx: &mut Context<'_>) -> bool {
        match self.stopping {
            Stopping::No if self.stop.as_mut().poll(cx).is_ready() => {
                self.stopping = Stopping::AfterHead {
                    until: Instant::now() + FIRST_BYTE_GRACE,
                };
                self.activity.ask_for_unread();
                self.wire.wake();
                true
            }
            Stopping::AfterHead { .. } if !self.expects_request() => {
                self.stopping = Stopping::Told;
                self.wire.shut_down();
                true
            }
            _ => false,
        }
    }

    /// Whether a request is arriving, or a new client may be about to send
    /// its first. Closing now would lose it.
    fn expects_request(&self) -> bool {
        match self.activity.stage() {
            Stage::Head => true,
            Stage::Handling | Stage::Responding => false,
            Stage::Idle if self.activity.has_unread() => true,
            Stage::Idle => {
                !self.activity.was_used() && Instant::now() < self.accepted + FIRST_BYTE_GRACE
            }
        }
    }

    fn deadline(&self) -> Option<(Instant, Due)> {
        let slow_reader = || {
            let since = self.last_write.max(self.since);
            (since + self.deadlines.write, Due::End(Ended::SlowReader))
        };
        if self.activity.is_write_blocked() {
            return Some(slow_reader());
        }
        let idle = Due::End(Ended::Idle);
        match self.activity.stage() {
            Stage::Idle if let Stopping::AfterHead { until } = self.stopping => {
                let has_unread = self.activity.has_unread();
                let silent = self.accepted + FIRST_BYTE_GRACE;
                Some((if has_unread { until } else { silent }, idle))
            }
            // hyper was told to close, and waits for what may be a request:
            // an empty line came last, which begins none.
            Stage::Idle if self.stopping == Stopping::Told && self.activity.owes_nothing() => {
                Some((self.since, idle))
            }
            Stage::Idle if self.can_rest() => {
                let rest = REST_AFTER.min(self.deadlines.idle);
                Some((self.since + rest, Due::Rest))
            }
            Stage::Idle => Some((self.since + self.deadlines.idle, idle)),
            Stage::Head => {
                let end = Due::End(Ended::SlowHead);
                Some((self.since + self.deadlines.head, end))
            }
            // The service owns this deadline: it can still answer.
            Stage::Handling => None,
            Stage::Responding => Some(slow_reader()),
        }
    }

    /// Whether hyper holds nothing but bytes that arrived after a request.
    fn can_rest(&self) -> bool {
        self.may_rest
            && self.stopping == Stopping::No
            && self.activity.owes_nothing()
            && !self.activity.was_refused()
            && !self.activity.left_body_unread()
    }
}

/// Ends the connection so that the peer can read what it was told last.
async fn finish<T: Transport>(mut transport: T, activity: &Activity, ended: Ended) {
    // Half a response may be stuck in front of anything written now.
    if ended == Ended::SlowReader || activity.is_write_blocked() {
        return;
    }
    let unread = activity.stage() != Stage::Idle || activity.left_body_unread();
    // A peer that does not take its last bytes in time loses them.
    let _ = timeout(LINGER, async {
        let told = match ended {
            Ended::SlowHead => Some((
                StatusCode::REQUEST_TIMEOUT,
                "the header of the request took too long",
            )),
            Ended::Crowded => Some((
                StatusCode::SERVICE_UNAVAILABLE,
                "too many large requests at once",
            )),
            Ended::OtherVersion => Some((
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "HTTP/2 is not spoken here, only HTTP/1.1",
            )),
            _ => None,
        };
        if let Some((status, detail)) = told {
            transport.write_all(&error::raw(status, detail)).await?;
        }
        transport.shutdown().await?;
        if unread || transport.has_unread() {
            discard(transport).await?;
        }
        std::io::Result::Ok(())
    })
    .await;
}

/// Tells a client that there is no room, and closes.
pub(super) async fn refuse<T: Transport>(mut transport: T, response: &[u8]) {
    let _ = timeout(LINGER, async {
        transport.write_all(response).await?;
        transport.shutdown().await?;
        discard(transport).await
    })
    .await;
}

/// Reads until the peer closes: a close with unread bytes would reset the
/// connection, and a reset discards the answer.
async fn discard<T: Transport>(transport: T) -> std::io::Result<()> {
    tokio::io::copy(&mut transport.take(LINGER_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
