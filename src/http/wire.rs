//! A connection's bytes, with hyper and without.
//!
//! hyper keeps a buffer of 8 KiB to read into for as long as it lives, and
//! most connections wait for a next request most of the time. So one at rest
//! has a socket and nothing else; hyper is made when bytes arrive.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::exchange::ResponseBody;
use super::transport::{Transport, Watched};

/// The largest head of a request, in bytes: `431` above it. Bearer tokens with
/// many claims and a browser's cookies fit several times over.
const MAX_HEAD: usize = 32 * 1024;

/// The largest read buffer of a connection, in bytes.
const MAX_BUFFER: usize = 64 * 1024;

/// What answers the requests of one connection.
pub(super) trait Answer:
    Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible, Future: Unpin>
    + Unpin
{
}

impl<S> Answer for S where
    S: Service<
            Request<Incoming>,
            Response = Response<ResponseBody>,
            Error = Infallible,
            Future: Unpin,
        > + Unpin
{
}

type Hyper<T, S> = http1::Connection<TokioIo<Watched<T>>, S>;

/// One of both at any time.
pub(super) struct Wire<T: Transport, S: Answer> {
    resting: Option<(Watched<T>, S)>,
    serving: Option<Box<Hyper<T, S>>>,
}

impl<T: Transport, S: Answer> Wire<T, S> {
    /// Whoever connects speaks first, and soon: a new connection is served.
    pub(super) fn new(io: Watched<T>, service: S) -> Self {
        Self {
            resting: None,
            serving: Some(serve(io, service)),
        }
    }

    /// Gives up hyper and its buffers, between two requests.
    ///
    /// What hyper knows beyond bytes that it has not parsed is forgotten: it
    /// must owe the peer nothing, and nothing may be left of the last
    /// request's body. When there are such bytes it is made anew at once.
    pub(super) fn rest(&mut self) {
        if let Some(hyper) = self.serving.take() {
            let parts = hyper.into_parts();
            let mut io = parts.io.into_inner();
            let unread = parts.read_buf;
            // Kept, an empty one would hold on to the whole buffer.
            if unread.is_empty() {
                self.resting = Some((io, parts.service));
            } else {
                io.put_back(unread);
                self.serving = Some(serve(io, parts.service));
            }
        }
    }

    /// Makes hyper, which reads first of all.
    pub(super) fn wake(&mut self) {
        if let Some((io, service)) = self.resting.take() {
            self.serving = Some(serve(io, service));
        }
    }

    /// Ready when the connection has ended.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        if let Some((io, _)) = &self.resting {
            ready!(io.poll_readable(cx));
            self.wake();
        }
        match &mut self.serving {
            Some(hyper) => Pin::new(hyper).poll(cx),
            None => Poll::Pending,
        }
    }

    /// Ends the connection as soon as nothing is in flight.
    pub(super) fn shut_down(&mut self) {
        self.wake();
        if let Some(hyper) = &mut self.serving {
            Pin::new(hyper.as_mut()).graceful_shutdown();
        }
    }

    /// What is left of a connection that has ended.
    pub(super) fn into_transport(self) -> Option<T> {
        let served = |hyper: Box<Hyper<T, S>>| hyper.into_parts().io.into_inner();
        let io = self.serving.map(served);
        io.or(self.resting.map(|(io, _)| io))
            .map(Watched::into_inner)
    }
}

fn serve<T: Transport, S: Answer>(io: Watched<T>, service: S) -> Box<Hyper<T, S>> {
    let hyper = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        // Who has closed his half (`nc -N`) still waits for his answer.
        .half_close(true)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(TokioIo::new(io), service);
    Box::new(hyper)
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};
    use std::sync::Arc;

    use bytes::Bytes;
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;
    use crate::http::activity::Activity;

    #[tokio::test]
    async fn at_rest_there_is_no_hyper_until_bytes_arrive() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let activity = Arc::new(Activity::default());
        let watched = activity.clone();
        let service = service_fn(move |_request: Request<Incoming>| {
            watched.request_began();
            watched.response_began();
            let body = ResponseBody::ready(Bytes::from_static(b"x"), watched.clone());
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let mut wire = Wire::new(Watched::new(ours, activity), service);
        for _ in 0..3 {
            let request = b"GET / HTTP/1.1\r\nhost: t\r\n\r\n";
            theirs.write_all(request).await.unwrap();
            let mut answer = [0; 256];
            tokio::select! {
                _ = poll_fn(|cx| wire.poll(cx)) => panic!("nobody closes"),
                read = theirs.read(&mut answer) => assert!(read.unwrap() > 0),
            }
            assert!(answer.starts_with(b"HTTP/1.1 200"));
            wire.rest();
            let is_pending = poll_fn(|cx| Poll::Ready(wire.poll(cx).is_pending())).await;
            assert!(is_pending && wire.serving.is_none());
        }
    }
}
