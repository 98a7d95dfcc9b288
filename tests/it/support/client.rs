//! A small HTTP client: one request on a connection of its own.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// A whole response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    /// As text; see `bytes` for what is none.
    pub(crate) body: String,
    pub(crate) bytes: Bytes,
}

impl Response {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// `GET path` from the loopback address; an error is one of the connection.
pub(crate) async fn get(port: u16, path: &str) -> io::Result<Response> {
    request(port, Method::GET, path, &[]).await
}

/// Any request without a body.
pub(crate) async fn request(
    port: u16,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Response> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    request_over(stream, method, path, headers, "").await
}

/// Sends `bytes` as they are and reads until the server closes.
pub(crate) async fn raw(port: u16, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    // Whoever sends too much is cut off while it sends; the answer counts.
    let _ = stream.write_all(bytes.as_ref()).await;
    rest(&mut stream).await
}

/// Everything that comes until the other side closes.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    // A reset ends a connection, too.
    let _ = within("the server closes", end).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request over a connection that is open already.
pub(crate) async fn request_over(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Response> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
        .expect("a test sends what can be sent");
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response {
            code: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            bytes: body,
        })
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        response = &mut exchange => response,
        _ = connection => exchange.await,
    }
}
