//! The keys that are known now, and the task that keeps them fresh.
//!
//! The task is the only one that fetches and the only one that writes what is
//! known, so there is never more than one fetch, and a request with a known
//! key never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::StatusCode;
use jsonwebtoken::Algorithm;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::keys::{Key, KeySet, Lookup};
use super::rejection::{Refusal, Rejection};
use crate::config::HttpTarget;
use crate::dependency::Failure;

mod keeper;

use keeper::Keeper;

/// Tells the supervisor that a request saw an error of the auth API.
pub type Hint = Arc<dyn Fn() + Send + Sync>;

/// Asks for a key set once, without a deadline.
pub(super) type Fetch = Arc<
    dyn Fn(HttpTarget) -> BoxFuture<'static, Result<(StatusCode, Bytes), Failure>> + Send + Sync,
>;

/// Where keys are published, and how long a fetch of them may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) target: HttpTarget,
    pub(super) deadline: Duration,
}

/// What is known at one moment.
#[derive(Debug, Clone)]
struct Known {
    /// Where it is from.
    target: Option<HttpTarget>,
    keys: Arc<KeySet>,
    state: State,
    /// The number of the fetch that it is from.
    fetch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No fetch has ended.
    Unasked,
    Answered,
    /// The last fetch failed; the keys of the one before are used on.
    Failing,
}

impl Known {
    fn nothing(target: Option<HttpTarget>) -> Self {
        Self {
            target,
            keys: Arc::default(),
            state: State::Unasked,
            fetch: 0,
        }
    }
}

/// The keys of the auth API. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Keyring {
    source: watch::Sender<Option<Source>>,
    known: watch::Receiver<Known>,
    wanted: Arc<Notify>,
    /// How many fetches have begun.
    begun: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Keyring {
    /// It keeps nothing before it has a source.
    pub(super) fn new(fetch: Fetch, hint: Hint) -> Self {
        let wanted = Arc::<Notify>::default();
        let begun = Arc::<AtomicU64>::default();
        let (writer, known) = watch::channel(Known::nothing(None));
        let (source, sources) = watch::channel(None);
        let keeper = Keeper::new(sources, writer, wanted.clone(), begun.clone(), fetch, hint);
        let mut task = JoinSet::new();
        task.spawn(keeper.run());
        Self {
            source,
            known,
            wanted,
            begun,
            _task: task,
        }
    }

    /// Keeps the keys of this source from now on.
    pub(super) fn reconfigure(&self, source: Option<Source>) {
        self.source.send_if_modified(|present| {
            let other = *present != source;
            *present = source;
            other
        });
    }

    /// The key that a token is signed with, of those that are published at
    /// `target`. It waits for a fetch when it has to: for the first one, and
    /// for a key that may be new.
    pub(super) async fn find(
        &self,
        target: &HttpTarget,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<Key>, Rejection> {
        let mut known = self.known.clone();
        let of_target = |known: &Known| known.target.as_ref() == Some(target);
        let first = |known: &Known| of_target(known) && known.state != State::Unasked;
        let begun = {
            let known = wait(&mut known, first).await?;
            if let Some(found) = found(&known, id, algorithm) {
                return found;
            }
            if known.state == State::Failing {
                return Err(Rejection::KeysUnavailable);
            }
            self.begun.load(SeqCst)
        };
        self.wanted.notify_one();
        // A fetch that had begun before does not settle it: the key may be
        // newer.
        let settled = |known: &Known| {
            !of_target(known)
                || known.state == State::Failing
                || known.fetch > begun
                || !matches!(known.keys.find(id, algorithm), Lookup::Missing)
        };
        let known = wait(&mut known, settled).await?;
        match found(&known, id, algorithm) {
            Some(found) => found,
            None if known.state == State::Answered => Err(Refusal::UnknownKey.into()),
            None => Err(Rejection::KeysUnavailable),
        }
    }
}

/// Waits for what is known to become so.
async fn wait(
    known: &mut watch::Receiver<Known>,
    so: impl Fn(&Known) -> bool,
) -> Result<watch::Ref<'_, Known>, Rejection> {
    let waited = known.wait_for(|known| so(known)).await;
    // Without the task, there will be no news of any key.
    waited.map_err(|_| Rejection::KeysUnavailable)
}

/// What the present keys have for a token; `None`: nothing.
fn found(
    known: &Known,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Option<Result<Arc<Key>, Rejection>> {
    match known.keys.find(id, algorithm) {
        Lookup::Found(key) => Some(Ok(key.clone())),
        Lookup::Refused(refusal) => Some(Err(refusal.into())),
        Lookup::Missing => None,
    }
}
