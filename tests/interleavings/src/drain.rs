//! Who is still connected, and whose request was cut short.

use crate::real::future::poll_fn;
use crate::real::sync::Arc;
use crate::real::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::real::task::Poll;

use loom::future::block_on;

use super::activity::Activity;
use super::admission::Seat;
use super::memory::Pool;
use super::roster::Roster;

/// How a connection's only request went; loom orders nothing by it.
#[derive(Debug, Default)]
struct Fate {
    began: AtomicBool,
    answered: AtomicBool,
}

/// Like a response's body: when it is dropped, the exchange has ended.
struct Body(Arc<Activity>);

impl Drop for Body {
    fn drop(&mut self) {
        self.0.response_ended();
    }
}

/// Lets others run, and gives a task that is to end the occasion.
async fn between_polls() {
    let mut turned = false;
    poll_fn(|cx| {
        if crate::real::mem::replace(&mut turned, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A connection with one request, as the driver of connections goes about it.
async fn connection(activity: Arc<Activity>, fate: Arc<Fate>) {
    between_polls().await;
    fate.began.store(true, Relaxed);
    activity.request_began();
    {
        let body = Body(activity.clone());
        let _end = activity.end();
        between_polls().await;
        activity.response_began();
        fate.answered.store(true, Relaxed);
        drop(body);
    }
    between_polls().await;
}

fn connect(roster: &mut Roster) -> Arc<Fate> {
    let seat = roster.enter(1);
    assert!(matches!(seat, Some(Seat::Full | Seat::Reserve)));
    let head = Arc::<Pool>::default().share(0);
    let (activity, fate) = (Arc::new(Activity::new(head)), Arc::new(Fate::default()));
    let serving = connection(activity.clone(), fate.clone());
    roster.seat(Seat::Full, activity, serving);
    fate
}

/// When everything is cut, a request has either been answered or is counted
/// as cut: not neither, and not both.
pub(crate) fn a_request_is_answered_or_counted_as_cut() {
    let mut roster = Roster::default();
    let fate = connect(&mut roster);
    let cut = block_on(roster.cut()).len();
    let lost = fate.began.load(Relaxed) && !fate.answered.load(Relaxed);
    assert_eq!(cut, usize::from(lost), "{fate:?}");
    assert_eq!((roster.len(), roster.served()), (0, 0));
}

/// A listener has drained when all who were connected are gone, and then every
/// seat is free.
pub(crate) fn drained_means_gone() {
    let mut roster = Roster::default();
    let fate = connect(&mut roster);
    while let Some(gone) = block_on(roster.next_gone()) {
        assert!(!gone.activity.was_cut());
    }
    assert!(
        fate.answered.load(Relaxed),
        "drained before it was answered"
    );
    assert_eq!((roster.len(), roster.served()), (0, 0));
}
