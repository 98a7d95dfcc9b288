//! Asking a server to drop what it does for a connection.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready as ready_or_wait};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use super::classify::failure;
use super::open::{Transport, negotiate, verify};
use crate::config::PostgresTarget;
use crate::dependency::Failure;
use crate::net::{self, Stream};

/// Asks the server at `target` to drop what it does for the connection that
/// `token` is of, and waits until it has taken note. It may be too late for
/// that, and no answer ever comes: whoever asks must not use that connection
/// any more.
/// <https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS>
pub async fn cancel(target: &PostgresTarget, token: &CancelToken) -> Result<(), Failure> {
    let stream = match negotiate(target, net::connect(&target.address).await?).await? {
        Transport::Plain(stream) => stream,
        Transport::Encrypted { stream, host } => {
            let verified = net::tls::client_config(&verify(target)).await?;
            net::tls::handshake(stream, host, verified).await?
        }
    };
    let asked = token.cancel_query_raw(Patient(stream), Done).await;
    asked.map_err(|error| failure(&error))
}

/// Waits for the peer to close instead of closing itself, as libpq does.
/// `PgBouncer` may fall over a client that leaves before its request has been
/// passed on.
#[derive(Debug)]
struct Patient(Stream);

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 64];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            let read = ready_or_wait!(Pin::new(&mut self.0).poll_read(cx, &mut buffer));
            // However the peer closed, it has closed.
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Encryption that was agreed on and set up before.
struct Done;

impl TlsConnect<Patient> for Done {
    type Stream = Patient;
    type Error = io::Error;
    type Future = Ready<io::Result<Patient>>;

    fn connect(self, stream: Patient) -> Self::Future {
        ready(Ok(stream))
    }
}

impl TlsStream for Patient {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
