//! Someone who asks how the daemon is, all the time, and knows what is so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::rig::{Known, Rig, Truth, notices_within, recovers_within};
use crate::support::visitor::Visitor;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(10);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) polls: usize,
    pub(super) unready: usize,
    /// Ready, although the database had been down for longer than it may take
    /// to notice.
    pub(super) false_answers: usize,
    /// The longest that it was called ready after it was down.
    pub(super) noticed_after: Duration,
    /// Asked when the database had been up for longer than it takes to come
    /// back, and that many of the answers were not ready.
    pub(super) calm: usize,
    pub(super) unready_in_calm: usize,
    /// Not answered, or liveness said no.
    pub(super) not_alive: usize,
    pub(super) slowest: Duration,
}

pub(super) struct Witness {
    done: Arc<AtomicBool>,
    /// [`Seen::calm`] so far.
    calm: Arc<AtomicUsize>,
    watching: JoinSet<Seen>,
}

impl Witness {
    pub(super) fn begin(rig: &Rig) -> Self {
        let done = Arc::<AtomicBool>::default();
        let calm = Arc::<AtomicUsize>::default();
        let mut watching = JoinSet::new();
        let visitor = Visitor::of(rig.daemon.api());
        let watch = watch(visitor, rig.truth.clone(), done.clone(), calm.clone());
        watching.spawn(watch);
        Self {
            done,
            calm,
            watching,
        }
    }

    /// Whether it has looked at a daemon whose database was up for long.
    pub(super) fn has_seen_calm(&self) -> bool {
        self.calm.load(Relaxed) > 0
    }

    pub(super) async fn ended(mut self) -> Seen {
        self.done.store(true, Relaxed);
        self.watching.join_next().await.unwrap().unwrap()
    }
}

async fn watch(
    mut visitor: Visitor,
    truth: Known,
    done: Arc<AtomicBool>,
    calm: Arc<AtomicUsize>,
) -> Seen {
    let mut seen = Seen::default();
    while !done.load(Relaxed) {
        sleep(PAUSE).await;
        let asked = Instant::now();
        let before = truth.now();
        let ready = visitor.get("/health/ready").await;
        let after = truth.now();
        let live = visitor.get("/health/live").await;
        seen.polls += 1;
        seen.slowest = seen.slowest.max(asked.elapsed());
        let (Ok(ready), Ok(live)) = (ready, live) else {
            seen.not_alive += 1;
            continue;
        };
        seen.not_alive += usize::from(live.code != 200);
        seen.unready += usize::from(ready.code != 200);
        if before != after {
            continue;
        }
        match before {
            Truth::Down(since) if ready.code == 200 => {
                let down_for = asked.duration_since(since);
                seen.noticed_after = seen.noticed_after.max(down_for);
                seen.false_answers += usize::from(down_for > notices_within());
            }
            Truth::Up(since) if asked.duration_since(since) > recovers_within() => {
                seen.calm += 1;
                seen.unready_in_calm += usize::from(ready.code != 200);
                calm.store(seen.calm, Relaxed);
            }
            Truth::Up(_) | Truth::Down(_) | Truth::Open => {}
        }
    }
    seen
}
