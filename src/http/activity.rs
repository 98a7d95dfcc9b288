//! What a connection is doing, as far as its deadlines must know.
//!
//! hyper tells nobody when the first byte of a request arrives or whether a
//! write is stuck, so the transport it reads from and writes to is watched.
//! All of it happens inside one task; the atomics are there because the parts
//! travel in `Send` futures, not because anything races.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::exchange::Exchange;

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

#[derive(Debug, Default)]
pub(super) struct Activity {
    stage: AtomicU8,
    /// Grows whenever the stage changes.
    changes: AtomicU32,
    /// Bytes went out since this was last looked at.
    wrote: AtomicBool,
    /// The peer does not take what is written.
    write_blocked: AtomicBool,
    /// A request has been served or is being served.
    used: AtomicBool,
    /// The next read that finds nothing looks into the kernel's buffer.
    peek: AtomicBool,
    /// What it saw there.
    unread: AtomicBool,
    /// The last request's body was not read to its end.
    body_unread: AtomicBool,
    /// What is being handled, or was last; health answers leave no trace here.
    exchange: Mutex<Option<Arc<Exchange>>>,
}

impl Activity {
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
            self.enter(Stage::Head);
        }
    }

    pub(super) fn request_began(&self) {
        self.used.store(true, Relaxed);
        self.enter(Stage::Handling);
    }

    pub(super) fn response_began(&self) {
        self.enter(Stage::Responding);
    }

    pub(super) fn response_ended(&self) {
        self.enter(Stage::Idle);
    }

    pub(super) fn was_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Makes the next read that finds nothing ask the kernel, which may know
    /// of bytes that the runtime has not been told of.
    pub(super) fn ask_for_unread(&self) {
        self.peek.store(true, Relaxed);
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

    pub(super) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }

    /// Whether bytes went out since the last call.
    pub(super) fn take_wrote(&self) -> bool {
        self.wrote.load(Relaxed) && self.wrote.swap(false, Relaxed)
    }

    /// Whether closing now would cut a request short.
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self.stage(), Stage::Handling | Stage::Responding) || self.is_write_blocked()
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

/// A byte stream that connections are served over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether bytes wait in the kernel that the runtime has not seen yet.
    fn has_unread(&self) -> bool;
}

impl Transport for TcpStream {
    fn has_unread(&self) -> bool {
        peek(&SockRef::from(self))
    }
}

impl Transport for UnixStream {
    fn has_unread(&self) -> bool {
        peek(&SockRef::from(self))
    }
}

/// The sockets are non-blocking: without bytes this is an error, and after
/// the peer's last byte it is zero.
fn peek(socket: &SockRef<'_>) -> bool {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    socket.peek(&mut byte).is_ok_and(|read| read > 0)
}

#[cfg(test)]
impl Transport for tokio::io::DuplexStream {
    fn has_unread(&self) -> bool {
        false
    }
}

/// A transport whose activity is watched.
#[derive(Debug)]
pub(super) struct Watched<T> {
    pub(super) inner: T,
    pub(super) activity: Arc<Activity>,
}

impl<T: Transport> Watched<T> {
    fn note_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let blocked = result.is_pending();
        if blocked != self.activity.is_write_blocked() {
            self.activity.write_blocked.store(blocked, Relaxed);
        }
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.activity.wrote.store(true, Relaxed);
        }
        result
    }
}

impl<T: Transport> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        // Empty lines between requests are no beginning (RFC 9112, 2.2).
        let begins = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        if self.activity.stage() == Stage::Idle && buffer.filled()[before..].iter().any(begins) {
            self.activity.head_began();
        }
        if result.is_pending() && self.activity.peek.swap(false, Relaxed) {
            let unread = self.inner.has_unread();
            self.activity.unread.store(unread, Relaxed);
        }
        result
    }
}

impl<T: Transport> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.note_write(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
