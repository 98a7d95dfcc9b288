//! Waiting for the rest of a body.
//!
//! A request that waits holds much more than the bytes it has: buffers, and
//! the state of what will handle it. So there is a bound on how many wait, and
//! the slow ones leave half of it to bodies that are on their way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Requests that may wait for their bodies at the same time, of all clients.
/// Each holds some 40 KiB.
pub(in crate::http) const PLACES: usize = 1_500;

/// Whoever waits for longer counts as slow.
const SLOW: Duration = Duration::from_secs(1);

/// Why a wait has ended in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// No byte came in time.
    Idle,
    /// Too many wait.
    Crowded,
}

/// One who waits, from the first time to the end of the body.
#[derive(Debug)]
pub(super) struct Wait {
    places: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
    idle_until: Instant,
    /// `None` for who has found room among the slow.
    slow_from: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Wait {
    /// Takes one of `places`, if one is left.
    pub(super) fn begin(places: &Arc<Semaphore>, now: Instant) -> Option<Self> {
        let place = places.clone().try_acquire_owned().ok()?;
        Some(Self {
            places: places.clone(),
            _place: place,
            idle_until: now,
            slow_from: Some(now + SLOW),
            timer: Box::pin(sleep_until(now)),
        })
    }

    /// From now on the next byte is waited for.
    pub(super) fn next(&mut self, now: Instant, idle_timeout: Duration) {
        self.idle_until = now + idle_timeout;
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<End> {
        if self.slow_from.is_some_and(|at| at <= now) {
            if self.places.available_permits() < PLACES / 2 {
                return Poll::Ready(End::Crowded);
            }
            self.slow_from = None;
        }
        let due = self.slow_from.unwrap_or(self.idle_until);
        let due = due.min(self.idle_until);
        if self.timer.deadline() != due {
            self.timer.as_mut().reset(due);
        }
        ready!(self.timer.as_mut().poll(cx));
        if due == self.idle_until {
            return Poll::Ready(End::Idle);
        }
        self.poll(cx, due)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    const IDLE: Duration = Duration::from_secs(20);

    fn begin(places: &Arc<Semaphore>) -> Wait {
        let now = Instant::now();
        let mut wait = Wait::begin(places, now).unwrap();
        wait.next(now, IDLE);
        wait
    }

    /// How it ends, and when.
    async fn end(wait: &mut Wait) -> (End, Duration) {
        let began = Instant::now();
        let end = poll_fn(|cx| wait.poll(cx, Instant::now())).await;
        (end, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_is_alone_waits_until_nothing_comes() {
        let places = Arc::new(Semaphore::new(PLACES));
        let mut wait = begin(&places);
        let some = Duration::from_millis(900);
        for _ in 0..100 {
            assert!(timeout(some, end(&mut wait)).await.is_err());
            wait.next(Instant::now(), IDLE);
        }
        assert_eq!(end(&mut wait).await, (End::Idle, IDLE));
        drop(wait);
        assert_eq!(places.available_permits(), PLACES);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slow_leave_half_of_the_places() {
        let places = Arc::new(Semaphore::new(PLACES));
        let mut all: Vec<_> = (0..PLACES).map(|_| begin(&places)).collect();
        assert!(Wait::begin(&places, Instant::now()).is_none());
        let mut crowded = all.split_off(PLACES / 2);
        for wait in &mut crowded {
            assert_eq!(end(wait).await.0, End::Crowded);
        }
        assert_eq!(Instant::now(), all[0].slow_from.unwrap(), "all at once");
        drop(crowded);
        for wait in &mut all {
            let little = Duration::from_millis(1);
            assert!(timeout(little, end(wait)).await.is_err());
        }
        assert_eq!(places.available_permits(), PLACES - PLACES / 2);
    }
}
