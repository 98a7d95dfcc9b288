//! The body of a request: limited in size, and never waited for in vain.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::activity::{Activity, BodyHold};
use super::memory::Share;
use wait::{End, Wait};

pub(super) mod wait;

/// What a piece of a body takes at least, in bytes: it is kept in an allocation
/// of its own and in a list.
const PIECE: usize = 64;

/// Why a body could not be read. The response becomes 413, 503 or 408 whatever the
/// handler makes of this.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("all bodies together are too large")]
    Crowded,
    #[error("no byte of the body arrived in time")]
    TooSlow,
    #[error("cannot read the body: {0}")]
    Transport(#[source] hyper::Error),
}

/// The limit of one request's body, in its extensions; what has become of the
/// body is read from here, too.
#[derive(Debug, Clone)]
pub struct BodyLimit(Arc<Fate>);

#[derive(Debug)]
struct Fate {
    limit: AtomicUsize,
    import_limit: usize,
    too_large: AtomicBool,
    crowded: AtomicBool,
    too_slow: AtomicBool,
    /// A handler has asked for bytes that have not arrived.
    waiting: AtomicBool,
    /// What was read of it; it is held until the request has been handled.
    share: Share,
}

impl BodyLimit {
    pub(super) fn new(limit: usize, import_limit: usize, share: Share) -> Self {
        Self(Arc::new(Fate {
            limit: AtomicUsize::new(limit),
            import_limit,
            too_large: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            too_slow: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            share,
        }))
    }

    /// Accepts up to `api.import_max_body` from here on; before the body is
    /// read.
    pub fn allow_import(&self) {
        self.0.limit.fetch_max(self.0.import_limit, Relaxed);
    }

    /// Bytes.
    pub fn get(&self) -> usize {
        self.0.limit.load(Relaxed)
    }

    pub(super) fn was_exceeded(&self) -> bool {
        self.0.too_large.load(Relaxed)
    }

    pub(super) fn was_crowded(&self) -> bool {
        self.0.crowded.load(Relaxed)
    }

    /// Whether the client is to blame for a request that took too long.
    pub(super) fn is_client_slow(&self) -> bool {
        self.0.too_slow.load(Relaxed) || self.0.waiting.load(Relaxed)
    }

    pub(super) fn timed_out(&self) -> bool {
        self.0.too_slow.load(Relaxed)
    }
}

/// A body under a [`BodyLimit`] and an idle timeout.
#[derive(Debug)]
pub(super) struct GuardedBody<B: Body> {
    inner: B,
    limit: BodyLimit,
    received: usize,
    idle_timeout: Duration,
    places: Arc<Semaphore>,
    /// Made when a handler first waits.
    wait: Option<Wait>,
    /// To its end.
    read: bool,
    activity: Arc<Activity>,
    /// Stands last, because fields are dropped in their order.
    _hold: BodyHold,
}

impl<B: Body> GuardedBody<B> {
    pub(super) fn new(
        inner: B,
        limit: BodyLimit,
        idle_timeout: Duration,
        places: Arc<Semaphore>,
        activity: Arc<Activity>,
    ) -> Self {
        Self {
            inner,
            limit,
            received: 0,
            idle_timeout,
            places,
            wait: None,
            read: false,
            _hold: activity.hold_body(),
            activity,
        }
    }

    /// Waits for bytes; ends when that is in vain.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let now = Instant::now();
        if self.wait.is_none() {
            self.wait = Wait::begin(&self.places, now);
        }
        let fate = &*self.limit.0;
        let end = match &mut self.wait {
            Some(wait) => {
                if !fate.waiting.swap(true, Relaxed) {
                    wait.next(now, self.idle_timeout);
                }
                wait.poll(cx, now)
            }
            None => Poll::Ready(End::Crowded),
        };
        end.map(|end| match end {
            End::Idle => {
                fate.too_slow.store(true, Relaxed);
                BodyError::TooSlow
            }
            End::Crowded => {
                fate.crowded.store(true, Relaxed);
                BodyError::Crowded
            }
        })
    }

    fn too_large(&self) -> BodyError {
        self.limit.0.too_large.store(true, Relaxed);
        BodyError::TooLarge {
            limit: self.limit.get(),
        }
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        // What is announced too large is not read at all.
        let least = usize::try_from(this.inner.size_hint().lower()).unwrap_or(usize::MAX);
        if this.received.saturating_add(least) > this.limit.get() {
            return Poll::Ready(Some(Err(this.too_large())));
        }
        let frame = match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => return this.poll_wait(cx).map(|error| Some(Err(error))),
        };
        this.limit.0.waiting.store(false, Relaxed);
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.received = this.received.saturating_add(length);
                if this.received > this.limit.get() {
                    Some(Err(this.too_large()))
                } else if !this.limit.0.share.grow(length.max(PIECE)) {
                    this.limit.0.crowded.store(true, Relaxed);
                    Some(Err(BodyError::Crowded))
                } else {
                    // A piece of hyper's holds the whole of its buffer, even
                    // one of a single byte.
                    Some(Ok(frame.map_data(|piece| Bytes::copy_from_slice(&piece))))
                }
            }
            Some(Err(error)) => Some(Err(BodyError::Transport(error))),
            None => {
                this.wait = None;
                this.read = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Body> Drop for GuardedBody<B> {
    fn drop(&mut self) {
        let read = self.read || self.inner.is_end_stream();
        self.activity.set_body_unread(!read);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// A body in pieces of so many bytes, each in a buffer of its own.
    fn pieces(
        count: usize,
        length: usize,
        share: Share,
    ) -> GuardedBody<impl Body<Data = Bytes, Error = hyper::Error> + Unpin> {
        let buffer = || Bytes::from(vec![0; 8192]);
        let piece = move |_| Ok(Frame::data(buffer().slice(..length)));
        GuardedBody::new(
            StreamBody::new(stream::iter((0..count).map(piece))),
            BodyLimit::new(usize::MAX, usize::MAX, share),
            Duration::MAX,
            Arc::new(Semaphore::new(0)),
            Arc::default(),
        )
    }

    #[tokio::test]
    async fn a_piece_takes_its_bytes_and_no_buffer_of_others() {
        let mut body = pieces(1, 1, Share::default());
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(piece.try_into_mut().unwrap().capacity() < 64);
    }

    #[tokio::test]
    async fn whether_a_body_was_read_is_known_when_it_is_dropped() {
        let mut body = pieces(1, 1, Share::default());
        let activity = body.activity.clone();
        activity.set_body_unread(true);
        while body.frame().await.is_some() {}
        drop(body);
        assert!(!activity.left_body_unread());
        let mut body = pieces(2, 1, Share::default());
        let activity = body.activity.clone();
        assert!(body.frame().await.is_some());
        assert!(activity.holds_body());
        drop(body);
        assert!(activity.left_body_unread() && !activity.holds_body());
    }

    #[tokio::test]
    async fn what_there_is_for_two_of_the_largest_is_enough_for_two() {
        const LARGEST: usize = 1024 * 1024;
        let pool = Arc::<crate::http::memory::Pool>::default();
        let mut held = Vec::new();
        for _ in 0..2 {
            let body = pieces(LARGEST / PIECE, PIECE, pool.share(2 * LARGEST));
            held.push(body.limit.clone());
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), LARGEST);
        }
    }

    #[tokio::test]
    async fn many_small_pieces_count_for_what_they_take() {
        let share = Arc::<crate::http::memory::Pool>::default().share(1_000);
        let pieces = pieces(1_000, 1, share).collect().await;
        assert!(matches!(pieces, Err(BodyError::Crowded)));
        let all = self::pieces(1_000, 1, Share::default()).collect().await;
        assert_eq!(all.unwrap().to_bytes().len(), 1_000);
    }
}
