//! Where connections come from: one listener or the other, one at a time, and
//! all that still wait at the end.

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream};

use super::admin_stream::AdminStream;
use crate::http::listener::{AdminListener, AdminSocket};
use crate::http::transport::Transport;

/// Something that connections come from.
pub trait Acceptor: Send + sealed::Accept {}

impl<A: Send + sealed::Accept> Acceptor for A {}

pub(super) mod sealed {
    use super::{Context, IpAddr, Poll, Transport, io};

    pub trait Accept: Unpin {
        #[allow(private_bounds)]
        type Stream: Transport;

        fn poll_accept(
            &mut self,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<(Self::Stream, Option<IpAddr>)>>;

        /// Closes the listener and returns the connections that were waiting.
        fn into_waiting(self) -> Vec<(Self::Stream, Option<IpAddr>)>;
    }
}

impl sealed::Accept for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, Option<IpAddr>)>> {
        TcpListener::poll_accept(self, cx).map_ok(|(stream, peer)| {
            // Without it, small responses wait for the peer's delayed ACK; a
            // socket that refuses is served all the same.
            let _ = stream.set_nodelay(true);
            (stream, Some(peer.ip()))
        })
    }

    fn into_waiting(self) -> Vec<(TcpStream, Option<IpAddr>)> {
        let mut waiting = Vec::new();
        // The listener is non-blocking: an error means that none is left, or
        // that none can be taken.
        if let Ok(listener) = self.into_std() {
            while let Ok((stream, peer)) = listener.accept() {
                let taken = stream
                    .set_nonblocking(true)
                    .and_then(|()| stream.set_nodelay(true))
                    .and_then(|()| TcpStream::from_std(stream));
                waiting.extend(taken.ok().map(|stream| (stream, Some(peer.ip()))));
            }
        }
        waiting
    }
}

impl sealed::Accept for AdminListener {
    type Stream = AdminStream;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AdminStream, Option<IpAddr>)>> {
        match &mut self.0 {
            AdminSocket::Tcp(listener) => sealed::Accept::poll_accept(listener, cx)
                .map_ok(|(stream, peer)| (AdminStream::Tcp(stream), peer)),
            AdminSocket::Unix(listener, _) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| (AdminStream::Unix(stream), None)),
        }
    }

    /// Admin connections hold nothing: who waits is sent away.
    fn into_waiting(self) -> Vec<(AdminStream, Option<IpAddr>)> {
        Vec::new()
    }
}
