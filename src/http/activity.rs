//! What a connection is doing, as far as its deadlines must know.
//!
//! hyper tells nobody when the first byte of a request arrives or whether a
//! write is stuck, so the `transport` it reads from and writes to is watched.
//! All of it happens inside one task; the atomics are there because the parts
//! travel in `Send` futures, not because anything races. Others may look when
//! that task has been joined.

use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Mutex, PoisonError};

use super::exchange::Exchange;
use super::memory::Share;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Between requests, or before the first one.
    Idle = 0,
    /// Some of a request's head has arrived.
    Head = 1,
    /// A request is with its handler, and no response has begun.
    Handling = 2,
    /// The head of the response is out, its body is not complete.
    Responding = 3,
}

#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Default))]
pub(super) struct Activity {
    stage: AtomicU8,
    /// Grows whenever the stage changes.
    changes: AtomicU32,
    /// Bytes went out since this was last looked at.
    wrote: AtomicBool,
    /// Bytes of a response may not have been written yet.
    owed: AtomicBool,
    /// The peer does not take what is written.
    write_blocked: AtomicBool,
    /// A request has been served or is being served.
    used: AtomicBool,
    /// The next read that finds nothing looks into the kernel's buffer.
    peek: AtomicBool,
    /// What it saw there.
    unread: AtomicBool,
    /// The last request's body was not read to its end, and hyper may not be
    /// done with it.
    body_unread: AtomicBool,
    /// Bodies that somebody may still read.
    bodies: AtomicU32,
    /// It ended in the middle of a request.
    cut: AtomicBool,
    /// What the head that arrives holds.
    head: Share,
    /// There was no room for more of it.
    crowded: AtomicBool,
    /// Bytes that are no request were told so.
    refused: AtomicBool,
    /// What is being handled, or was just now; health answers leave no trace
    /// here.
    exchange: Mutex<Option<Arc<Exchange>>>,
}

impl Activity {
    pub(super) fn new(head: Share) -> Self {
        Self {
            stage: AtomicU8::new(Stage::Idle as u8),
            changes: AtomicU32::new(0),
            wrote: AtomicBool::new(false),
            owed: AtomicBool::new(false),
            write_blocked: AtomicBool::new(false),
            used: AtomicBool::new(false),
            peek: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            body_unread: AtomicBool::new(false),
            bodies: AtomicU32::new(0),
            cut: AtomicBool::new(false),
            head,
            crowded: AtomicBool::new(false),
            refused: AtomicBool::new(false),
            exchange: Mutex::new(None),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Idle,
            1 => Stage::Head,
            2 => Stage::Handling,
            _ => Stage::Responding,
        }
    }

    fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.changes.fetch_add(1, Relaxed);
    }

    pub(super) fn changes(&self) -> u32 {
        self.changes.load(Relaxed)
    }

    pub(super) fn head_began(&self) {
        if self.stage() == Stage::Idle {
            self.head.release();
            self.enter(Stage::Head);
        }
    }

    /// Whether there is room for so many bytes more of a head. Its room stays
    /// taken while its request is handled, who may look at it.
    pub(super) fn head_grew(&self, bytes: usize) -> bool {
        let fits = self.stage() != Stage::Head || self.head.grow(bytes);
        if !fits {
            self.crowded.store(true, Relaxed);
        }
        fits
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Relaxed)
    }

    pub(super) fn set_refused(&self) {
        self.refused.store(true, Relaxed);
    }

    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Relaxed)
    }

    pub(super) fn request_began(&self) {
        self.used.store(true, Relaxed);
        self.enter(Stage::Handling);
    }

    pub(super) fn response_began(&self) {
        self.owed.store(true, Relaxed);
        self.enter(Stage::Responding);
    }

    pub(super) fn response_ended(&self) {
        self.enter(Stage::Idle);
    }

    /// Nothing is kept of the last request.
    pub(super) fn rested(&self) {
        self.head.release();
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_between_requests(&self) -> bool {
        matches!(self.stage(), Stage::Idle | Stage::Head)
    }

    /// Whether nothing that is written now belongs to a response of ours.
    pub(super) fn owes_nothing(&self) -> bool {
        self.is_between_requests() && !self.owed.load(Relaxed)
    }

    /// Everything that was written so far has been handed to the kernel.
    pub(super) fn flushed(&self) {
        if self.owed.load(Relaxed) && self.is_between_requests() {
            self.owed.store(false, Relaxed);
        }
    }

    pub(super) fn was_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Makes the next read that finds nothing ask the kernel, which may know
    /// of bytes that the runtime has not been told of.
    pub(super) fn ask_for_unread(&self) {
        self.peek.store(true, Relaxed);
    }

    /// Whether someone asked, once.
    pub(super) fn wants_unread(&self) -> bool {
        self.peek.swap(false, Relaxed)
    }

    pub(super) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Relaxed);
    }

    pub(super) fn has_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    pub(super) fn set_body_unread(&self, unread: bool) {
        self.body_unread.store(unread, Relaxed);
    }

    pub(super) fn left_body_unread(&self) -> bool {
        self.body_unread.load(Relaxed)
    }

    /// Must be dropped after the body itself.
    pub(super) fn hold_body(self: &Arc<Self>) -> BodyHold {
        self.bodies.fetch_add(1, Relaxed);
        BodyHold(self.clone())
    }

    /// Whether somebody may still read a body. Nothing keeps a handler from
    /// giving it to another task, so this one alone is seen in order.
    pub(super) fn holds_body(&self) -> bool {
        self.bodies.load(Acquire) > 0
    }

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }

    pub(super) fn write_tried(&self, wrote: bool, blocked: bool) {
        if blocked != self.is_write_blocked() {
            self.write_blocked.store(blocked, Relaxed);
        }
        if wrote {
            self.wrote.store(true, Relaxed);
        }
    }

    /// Whether bytes went out since the last call.
    pub(super) fn take_wrote(&self) -> bool {
        self.wrote.load(Relaxed) && self.wrote.swap(false, Relaxed)
    }

    /// Whether closing now would cut a request short.
    fn is_in_flight(&self) -> bool {
        matches!(self.stage(), Stage::Handling | Stage::Responding) || self.is_write_blocked()
    }

    /// Notes, when it is dropped, whether that cuts a request short. It must go
    /// before what serves the connection does: a response that is dropped
    /// counts as ended.
    pub(super) fn end(self: &Arc<Self>) -> End {
        End(self.clone())
    }

    /// Whether it ended in the middle of a request.
    pub(super) fn was_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    pub(super) fn set_exchange(&self, exchange: Arc<Exchange>) {
        *self.exchange.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
    }

    pub(super) fn exchange(&self) -> Option<Arc<Exchange>> {
        self.exchange
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Somebody has a body in his hands.
#[derive(Debug)]
pub(super) struct BodyHold(Arc<Activity>);

impl Drop for BodyHold {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Release);
    }
}

/// The end of a connection, whichever way it comes.
#[derive(Debug)]
pub(super) struct End(Arc<Activity>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.cut.store(self.0.is_in_flight(), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::memory::{FREE, Pool};

    #[test]
    fn one_at_rest_holds_nothing_of_its_last_head() {
        let pool = Arc::<Pool>::default();
        let activity = Activity::new(pool.share(100));
        activity.head_began();
        assert!(activity.head_grew(FREE + 100));
        activity.request_began();
        activity.response_began();
        activity.response_ended();
        let other = pool.share(100);
        assert!(!other.grow(FREE + 1));
        activity.rested();
        assert!(other.grow(FREE + 100));
    }
}
