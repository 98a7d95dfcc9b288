//! The byte stream of a connection, watched on its way to hyper.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::activity::{Activity, Stage};
use super::error;

/// A byte stream that connections are served over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether bytes wait in the kernel that the runtime has not seen yet.
    fn has_unread(&self) -> bool;

    /// Ready when reading may find bytes, an end or an error; it may find
    /// nothing, too.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Transport for TcpStream {
    fn has_unread(&self) -> bool {
        peek(&SockRef::from(self))
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(|_| ())
    }
}

impl Transport for UnixStream {
    fn has_unread(&self) -> bool {
        peek(&SockRef::from(self))
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_read_ready(cx).map(|_| ())
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

    fn poll_readable(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// A transport whose activity is watched.
///
/// It also replaces what hyper says to bytes that are no request, in which no
/// service has a part: an empty answer that nobody could tell from others.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    activity: Arc<Activity>,
    /// What is still to be written in place of hyper's refusal.
    refusal: Bytes,
    /// What is to be read again before anything else.
    returned: Bytes,
}

impl<T: Transport> Watched<T> {
    pub(super) fn new(inner: T, activity: Arc<Activity>) -> Self {
        Self {
            inner,
            activity,
            refusal: Bytes::new(),
            returned: Bytes::new(),
        }
    }

    /// Gives back what was read last, as if it arrived now.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.returned = if self.returned.is_empty() {
            bytes
        } else {
            [bytes, self.returned.split_off(0)].concat().into()
        };
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.returned.is_empty() {
            self.inner.poll_readable(cx)
        } else {
            Poll::Ready(())
        }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let result = Pin::new(&mut self.inner).poll_write(cx, &self.refusal);
            let written = ready!(self.note_write(result))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn note_write(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let wrote = matches!(result, Poll::Ready(Ok(1..)));
        self.activity.write_tried(wrote, result.is_pending());
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
        let result = if self.returned.is_empty() {
            Pin::new(&mut self.inner).poll_read(cx, buffer)
        } else {
            let count = buffer.remaining().min(self.returned.len());
            buffer.put_slice(&self.returned.split_to(count));
            Poll::Ready(Ok(()))
        };
        // Empty lines between requests are no beginning (RFC 9112, 2.2), and
        // neither is the body that hyper reads away behind an answer.
        let begins = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let may_begin = self.activity.stage() == Stage::Idle && !self.activity.left_body_unread();
        if may_begin && buffer.filled()[before..].iter().any(begins) {
            self.activity.head_began();
        }
        if !self.activity.head_grew(buffer.filled().len() - before) {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        if result.is_pending() && self.activity.wants_unread() {
            self.activity.set_unread(self.inner.has_unread());
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
        if self.activity.owes_nothing() {
            if self.refusal.is_empty() {
                self.refusal = error::refusal(bytes);
                self.activity.set_refused();
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note_write(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.activity.owes_nothing() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            return self.poll_write(cx, first.map_or(&[], |slice| slice));
        }
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.note_write(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.activity.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_is_put_back_twice_is_read_in_its_order() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut watched = Watched::new(ours, Arc::default());
        watched.put_back(Bytes::from_static(b"cd"));
        watched.put_back(Bytes::from_static(b"ab"));
        let is_ready = poll_fn(|cx| Poll::Ready(watched.poll_readable(cx).is_ready()));
        assert!(is_ready.await, "what is there need not arrive");
        let mut read = [0; 8];
        let count = watched.read(&mut read).await.unwrap();
        assert_eq!(&read[..count], b"abcd");
    }
}
