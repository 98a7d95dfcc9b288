//! One HTTP/1.1 connection and the questions asked over it.

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::dependency::{ErrorKind, Failure};
use crate::net::{self, Stream};
use crate::probe::driver::Driver;

/// How much of a body is read, in bytes. A longer one costs the connection,
/// which cannot be used again.
const MAX_BODY: usize = 64 * 1024;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// `None`: it was cut short, or longer than [`MAX_BODY`].
    pub(super) body: Option<Bytes>,
}

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

    /// Asks and reads the answer.
    pub(super) async fn ask(&mut self, request: Request<Empty<Bytes>>) -> Result<Answer, Failure> {
        self.reusable = false;
        let sender = &mut self.sender;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = read(response.into_body()).await;
            let reusable = body.is_some() && sender.ready().await.is_ok();
            Ok::<_, hyper::Error>((Answer { status, body }, reusable))
        };
        let answered = self.driver.run(exchange).await?;
        let (answer, reusable) = answered.map_err(|error| match self.driver.end() {
            // The end of the connection knows the reason for it.
            Some(end) if error.is_canceled() || error.is_closed() => end.clone(),
            _ => failure(&error),
        })?;
        self.reusable = reusable && self.driver.end().is_none();
        Ok(answer)
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
async fn read(body: Incoming) -> Option<Bytes> {
    let body = Limited::new(body, MAX_BODY).collect().await.ok()?;
    Some(body.to_bytes())
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
