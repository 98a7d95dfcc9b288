//! A client of the stream behind the status page.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::within;

/// An open stream of server-sent events.
#[derive(Debug)]
pub(crate) struct EventStream {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    text: String,
    _connection: JoinSet<()>,
}

impl EventStream {
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let io = TokioIo::new(stream.expect("it listens"));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .expect("a connection");
        let mut driving = JoinSet::new();
        driving.spawn(async move {
            let _ = connection.await;
        });
        let request = Request::get("/status/stream")
            .header("host", "budgetd")
            .body(Empty::<Bytes>::new())
            .expect("a request");
        let response = within("the stream begins", sender.send_request(request)).await;
        let (head, body) = response.expect("an answer").into_parts();
        Self {
            code: head.status.as_u16(),
            headers: head.headers,
            body,
            text: String::new(),
            _connection: driving,
        }
    }

    /// The next event: its name and its data. `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let (Some(name), Some(data)) = (field("event: "), field("data: ")) else {
                    panic!("an event without name or data: {event:?}");
                };
                let data = serde_json::from_str(data).expect("the data is JSON");
                return Some((name.to_owned(), data));
            }
            let frame = within("an event, or the end", self.body.frame()).await?;
            // A connection that is cut ends the stream, too.
            let data = frame.ok()?.into_data().expect("no trailers");
            self.text
                .push_str(std::str::from_utf8(&data).expect("UTF-8"));
        }
    }

    /// The first event that has something to say.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&str, &Value) -> Option<T>,
    ) -> T {
        let found = async {
            loop {
                let (name, data) = self.next().await.expect("the stream goes on");
                if let Some(found) = look(&name, &data) {
                    return found;
                }
            }
        };
        within(what, found).await
    }
}
