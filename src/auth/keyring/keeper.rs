//! The task that fetches the keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::super::keys::KeySet;
use super::{Fetch, Hint, Known, Source, State};
use crate::dependency::{ErrorKind, Failure, Kind};

/// How long keys are used before they are asked for again: what the auth API
/// itself says (`max-age=600`).
const KEPT_FOR: Duration = Duration::from_mins(10);

/// How often unknown keys may be asked for: anyone can invent one. Who names
/// one waits for the next time: refused at once, all who have a key that is
/// really new would pay for those who invent some.
const ASK_INTERVAL: Duration = Duration::from_secs(2);

/// How soon a fetch that failed is tried again: the first time, and at most.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(10);

pub(super) struct Keeper {
    sources: watch::Receiver<Option<Source>>,
    known: watch::Sender<Known>,
    wanted: Arc<Notify>,
    /// How many fetches have begun.
    begun: Arc<AtomicU64>,
    fetch: Fetch,
    hint: Hint,
    /// When the next fetch is due, wanted or not.
    next: Instant,
    /// When unknown keys may be asked for.
    may_ask: Instant,
    /// Whether someone waits for what the next fetch will bring.
    asked: bool,
    /// Fetches that failed in a row.
    failures: u32,
}

impl Keeper {
    pub(super) fn new(
        sources: watch::Receiver<Option<Source>>,
        known: watch::Sender<Known>,
        wanted: Arc<Notify>,
        begun: Arc<AtomicU64>,
        fetch: Fetch,
        hint: Hint,
    ) -> Self {
        Self {
            sources,
            known,
            wanted,
            begun,
            fetch,
            hint,
            next: Instant::now(),
            may_ask: Instant::now(),
            asked: false,
            failures: 0,
        }
    }

    /// Keeps the keys until nobody holds the other ends any more.
    pub(super) async fn run(mut self) {
        let mut sources = self.sources.clone();
        loop {
            let source = sources.borrow_and_update().clone();
            self.turn_to(source.as_ref());
            tokio::select! {
                changed = sources.changed() => if changed.is_err() {
                    return;
                },
                () = self.keep(source) => {}
            }
        }
    }

    /// Forgets the keys of any other source.
    fn turn_to(&mut self, source: Option<&Source>) {
        let target = source.map(|source| &source.target);
        if self.known.borrow().target.as_ref() != target {
            self.known.send_replace(Known::nothing(target.cloned()));
            self.next = Instant::now();
            self.failures = 0;
        }
    }

    /// Keeps the keys of one source, for ever.
    async fn keep(&mut self, source: Option<Source>) {
        let Some(source) = source else {
            return std::future::pending().await;
        };
        loop {
            self.reason().await;
            let began = Instant::now();
            self.begun.fetch_add(1, SeqCst);
            let fetched = self.fetch(&source).await;
            self.take(fetched, began, &source);
        }
    }

    /// Waits for a reason to fetch.
    async fn reason(&mut self) {
        // A fetch that a reload interrupted is still waited for.
        if !self.asked {
            tokio::select! {
                () = sleep_until(self.next) => return,
                () = self.wanted.notified() => self.asked = true,
            }
        }
        sleep_until(self.may_ask.min(self.next)).await;
    }

    async fn fetch(&self, source: &Source) -> Result<KeySet, Failure> {
        let answered = timeout(source.deadline, (self.fetch)(source.target.clone())).await;
        let late = |_| Failure::new(ErrorKind::Timeout, "timeout: the auth API did not answer");
        let (status, body) = answered
            .map_err(late)
            .flatten()
            .inspect_err(|_| (self.hint)())?;
        KeySet::read(status, &body)
    }

    /// Takes over what was fetched, or that it failed.
    fn take(&mut self, fetched: Result<KeySet, Failure>, began: Instant, source: &Source) {
        let before = self.known.borrow().clone();
        if std::mem::take(&mut self.asked) {
            self.may_ask = began + ASK_INTERVAL;
        }
        let (keys, state) = match fetched {
            Ok(keys) => {
                self.failures = 0;
                self.next = began + KEPT_FOR;
                let same = keys.same(&before.keys);
                if before.state != State::Answered || !same {
                    loaded(&keys, source);
                }
                // The present ones remember what they have verified.
                let keys = if same { before.keys } else { Arc::new(keys) };
                (keys, State::Answered)
            }
            Err(failure) => {
                let pause = RETRY.saturating_mul(1 << self.failures.min(10));
                self.failures = self.failures.saturating_add(1);
                self.next = Instant::now() + pause.min(MAX_RETRY);
                if before.state != State::Failing {
                    unavailable(&failure, source);
                }
                (before.keys, State::Failing)
            }
        };
        self.known.send_replace(Known {
            keys,
            state,
            fetch: self.begun.load(SeqCst),
            target: before.target,
        });
    }
}

fn loaded(keys: &KeySet, source: &Source) {
    tracing::info!(
        event = "auth_keys_loaded",
        url = %source.target,
        keys = keys.len(),
        ignored = keys.ignored(),
        "the key set of the auth API has {} keys that tokens can be verified with",
        keys.len()
    );
}

fn unavailable(failure: &Failure, source: &Source) {
    tracing::warn!(
        event = "auth_keys_unavailable",
        url = %source.target,
        error = %failure,
        error_kind = failure.kind.as_str(),
        hint = failure.kind.hint(Kind::Http),
        "cannot fetch the key set of the auth API from {}: {failure}; \
         tokens that need a key that is not known yet are answered with 503",
        source.target
    );
}
