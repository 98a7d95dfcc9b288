//! A client that keeps its connection.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Asks one thing after the other over one connection, and over another when
/// that was closed.
#[derive(Debug)]
pub(crate) struct Visitor {
    port: u16,
    headers: Vec<(String, String)>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

/// What it was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// The entity tag, if there is one.
    pub(crate) tag: Option<String>,
    pub(crate) body: Bytes,
}

impl Visitor {
    /// Connects to a port of the loopback address when it is used first.
    pub(crate) fn of(port: u16) -> Self {
        Self {
            port,
            headers: Vec::new(),
            open: None,
        }
    }

    /// The same with these headers on each request.
    pub(crate) fn with(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(Method::GET, path, &[], "").await
    }

    /// An error is one of the connection, which is then given up.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let answer = self.exchange(method, path, headers, body).await;
        if answer.is_err() {
            self.leave();
        }
        answer
    }

    /// Closes the connection.
    pub(crate) fn leave(&mut self) {
        self.open = None;
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Bytes::copy_from_slice(body.as_bytes());
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        let sender = self.sender().await?;
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?;
        let tag = head.headers.get("etag");
        Ok(Answer {
            code: head.status.as_u16(),
            tag: tag.and_then(|tag| tag.to_str().ok().map(ToOwned::to_owned)),
            body: body.to_bytes(),
        })
    }

    async fn sender(&mut self) -> io::Result<&mut SendRequest<Full<Bytes>>> {
        if let Some(open) = &mut self.open
            && open.sender.ready().await.is_err()
        {
            self.open = None;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => open(self.port).await?,
        };
        Ok(&mut self.open.insert(open).sender)
    }
}

async fn open(port: u16) -> io::Result<Open> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let opened = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(io::Error::other)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move { drop(connection.await) });
    Ok(Open {
        sender,
        _driver: driver,
    })
}
