//! One HTTP/1.1 connection and the questions asked over it.

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::dependency::{ErrorKind, Failure};
use crate::net::{self, Stream};
use crate::probe::driver::Driver;

/// How much of a body is read so that the connection can be used again, in
/// bytes. A longer one costs the connection.
const MAX_BODY: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    driver: Driver,
    reusable: bool,
}

impl Connection {
    pub(super) async fn open(stream: Stream) -> Result<Self, Failure> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BODY)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure(&error))?;
        let driver = Driver::new(async move {
            match connection.await {
                Ok(()) => net::closed(),
                Err(error) => failure(&error),
            }
        });
        Ok(Self {
            sender,
            driver,
            reusable: true,
        })
    }

    /// Asks and reads the answer, of which only the status counts.
    pub(super) async fn ask(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> Result<StatusCode, Failure> {
        self.reusable = false;
        let sender = &mut self.sender;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let reusable = drain(response.into_body()).await && sender.ready().await.is_ok();
            Ok::<_, hyper::Error>((status, reusable))
        };
        let answered = self.driver.run(exchange).await?;
        let (status, reusable) = answered.map_err(|error| match self.driver.end() {
            // The end of the connection knows the reason for it.
            Some(end) if error.is_canceled() || error.is_closed() => end.clone(),
            _ => failure(&error),
        })?;
        self.reusable = reusable && self.driver.end().is_none();
        Ok(status)
    }

    pub(super) fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&mut self) {
        self.driver.ended().await;
    }
}

/// Reads a body to its end, if it has one within bounds.
async fn drain(mut body: Incoming) -> bool {
    let mut room = MAX_BODY;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(left) = room.checked_sub(length) else {
            return false;
        };
        room = left;
    }
    true
}

fn failure(error: &hyper::Error) -> Failure {
    use std::error::Error as _;

    if error.is_parse() {
        return Failure::new(
            ErrorKind::Protocol,
            format!("the peer does not speak HTTP/1: {error}"),
        );
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return net::closed();
    }
    match error.source().and_then(|cause| cause.downcast_ref()) {
        Some(error) => net::failure(error),
        None => Failure::new(ErrorKind::Protocol, error.to_string()),
    }
}
