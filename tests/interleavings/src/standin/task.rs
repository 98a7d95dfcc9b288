//! Tasks: each is a thread of the model, so that it runs beside the others and
//! is ended, as tokio's are, between two polls.

use crate::real::fmt;
use crate::real::future::poll_fn;
use crate::real::pin::Pin;
use crate::real::sync::Arc;

pub(crate) use crate::real::task::{Poll, Waker};

use loom::sync::Mutex;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(usize);

/// A task that was ended before it was done; no model panics in one.
#[derive(Debug)]
pub(crate) struct JoinError(Id);

impl JoinError {
    pub(crate) fn id(&self) -> Id {
        self.0
    }

    pub(crate) fn is_panic(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub(crate) struct AbortHandle(Id);

impl AbortHandle {
    pub(crate) fn id(&self) -> Id {
        self.0
    }
}

/// What a set and its tasks share.
#[derive(Default)]
struct Shared {
    ended: Vec<Result<(Id, ()), JoinError>>,
    joining: Option<Waker>,
    aborted: bool,
    idle: Vec<Waker>,
}

pub(crate) struct JoinSet<T> {
    shared: Arc<Mutex<Shared>>,
    /// Given out so far, and taken back.
    spawned: usize,
    joined: usize,
    outcome: crate::real::marker::PhantomData<T>,
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared::default())),
            spawned: 0,
            joined: 0,
            outcome: crate::real::marker::PhantomData,
        }
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSet")
    }
}

impl JoinSet<()> {
    pub(crate) fn spawn(
        &mut self,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let id = Id(self.spawned);
        self.spawned += 1;
        let shared = self.shared.clone();
        loom::thread::spawn(move || {
            let ended = loom::future::block_on(run(id, Box::pin(future), &shared));
            let joining = {
                let mut shared = shared.lock().expect("no model panics in a task");
                shared.ended.push(ended);
                shared.joining.take()
            };
            joining.into_iter().for_each(Waker::wake);
        });
        AbortHandle(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.spawned - self.joined
    }

    pub(crate) fn abort_all(&mut self) {
        let idle = {
            let mut shared = self.shared.lock().expect("no model panics in a task");
            shared.aborted = true;
            crate::real::mem::take(&mut shared.idle)
        };
        idle.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn join_next_with_id(&mut self) -> Option<Result<(Id, ()), JoinError>> {
        poll_fn(|cx| {
            if self.len() == 0 {
                return Poll::Ready(None);
            }
            let mut shared = self.shared.lock().expect("no model panics in a task");
            if let Some(ended) = shared.ended.pop() {
                self.joined += 1;
                return Poll::Ready(Some(ended));
            }
            shared.joining = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    pub(crate) fn try_join_next_with_id(&mut self) -> Option<Result<(Id, ()), JoinError>> {
        let ended = {
            let mut shared = self.shared.lock().expect("no model panics in a task");
            shared.ended.pop()
        };
        self.joined += usize::from(ended.is_some());
        ended
    }
}

/// Polls a task until it is done, or finds before a poll that it was ended:
/// then it is dropped where it stands.
async fn run(
    id: Id,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    shared: &Mutex<Shared>,
) -> Result<(Id, ()), JoinError> {
    let mut future = Some(future);
    poll_fn(move |cx| {
        let is_aborted = {
            let mut shared = shared.lock().expect("no model panics in a task");
            shared.idle.push(cx.waker().clone());
            shared.aborted
        };
        if is_aborted {
            drop(future.take());
            return Poll::Ready(Err(JoinError(id)));
        }
        match &mut future {
            Some(future) => future.as_mut().poll(cx).map(|()| Ok((id, ()))),
            None => Poll::Pending,
        }
    })
    .await
}
