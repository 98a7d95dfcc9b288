//! A stand-in for the auth API: GoTrue behind its gateway.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use budgetd::config::HttpTarget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Port;

/// How requests are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// GoTrue is healthy.
    Healthy,
    /// The gateway wants an `apikey`, in plain text as Envoy says it.
    Unauthorized,
    /// This status, with an empty body.
    Status(u16),
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing, ever.
    Silence,
    /// Half of an answer, and the end of the connection.
    Cut,
    /// Healthy, with `Connection: close`.
    CloseAfterEach,
    /// Healthy, and the connection is closed without a word about it.
    CloseUnannounced,
}

impl Answer {
    /// A document, as GoTrue publishes its keys.
    pub(crate) fn document(body: &str) -> Self {
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: public, max-age=600";
        Self::Bytes(format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes())
    }

    /// The public halves of the keys that tests sign with.
    pub(crate) fn keys() -> Self {
        Self::document(include_str!("../../keys/key_set.json"))
    }
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    /// Which connection it came over, counted from 1.
    pub(crate) connection: usize,
}

impl Recorded {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A running stand-in. It lives in the runtime of the test.
#[derive(Debug)]
pub(crate) struct AuthApi {
    port: u16,
    answer: watch::Sender<Answer>,
    cuts: watch::Sender<u64>,
    requests: Arc<Mutex<Vec<Recorded>>>,
    _tasks: JoinSet<()>,
}

impl AuthApi {
    /// Starts one that is healthy.
    pub(crate) async fn start() -> Self {
        let port = Port::reserve();
        let number = port.number();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number))
            .await
            .expect("the port is ours");
        let (answer, answers) = watch::channel(Answer::Healthy);
        let (cuts, cut) = watch::channel(0);
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let desk = Desk {
            answers,
            cut,
            requests: requests.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(port, listener, desk));
        Self {
            port: number,
            answer,
            cuts,
            requests,
            _tasks: tasks,
        }
    }

    pub(crate) fn set(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }

    /// Closes all open connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().expect("nobody panicked").clone()
    }

    /// How often its keys were asked for.
    pub(crate) fn asked_for_keys(&self) -> usize {
        let requests = self.requests();
        let of_keys = |request: &&Recorded| request.path == "/auth/v1/.well-known/jwks.json";
        requests.iter().filter(of_keys).count()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What `SUPABASE_URL` would be.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(crate) fn target(&self) -> HttpTarget {
        HttpTarget {
            host: "localhost".into(),
            port: self.port,
            tls: false,
            credentials: None,
            path_and_query: "/auth/v1/health".into(),
            headers: Vec::new(),
            accept: vec![200, 401],
        }
    }
}

/// What every connection needs.
#[derive(Debug, Clone)]
struct Desk {
    answers: watch::Receiver<Answer>,
    cut: watch::Receiver<u64>,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

async fn listen(_port: Port, listener: TcpListener, desk: Desk) {
    let mut connections = JoinSet::new();
    let mut count = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                count += 1;
                let mut desk = desk.clone();
                connections.spawn(async move {
                    desk.cut.mark_unchanged();
                    let mut cut = desk.cut.clone();
                    tokio::select! {
                        () = serve(stream, desk, count) => {}
                        _ = cut.changed() => {}
                    }
                });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut stream: TcpStream, desk: Desk, connection: usize) {
    let mut read = Vec::new();
    loop {
        let Some(request) = read_request(&mut stream, &mut read, connection).await else {
            return;
        };
        let recorded = request.clone();
        desk.requests
            .lock()
            .expect("nobody panicked")
            .push(recorded);
        let answer = desk.answers.borrow().clone();
        if stream
            .write_all(&bytes_of(&answer, &request))
            .await
            .is_err()
        {
            return;
        }
        match answer {
            Answer::Silence => std::future::pending().await,
            Answer::Cut | Answer::CloseAfterEach | Answer::CloseUnannounced => return,
            _ => {}
        }
    }
}

async fn read_request(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
    connection: usize,
) -> Option<Recorded> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = read.drain(..end).collect();
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(ToOwned::to_owned);
    Some(Recorded {
        method: words.next()?,
        path: words.next()?,
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        connection,
    })
}

fn bytes_of(answer: &Answer, request: &Recorded) -> Vec<u8> {
    const GOTRUE: &str = r#"{"version":"v2.180.0","name":"GoTrue","description":"GoTrue is a user registration and authentication API"}"#;
    // As in GoTrue, only GET has a route.
    let healthy = |more: &str| {
        if request.method == "GET" {
            response(
                "200 OK",
                &format!("Content-Type: application/json\r\n{more}"),
                GOTRUE,
            )
        } else {
            response("405 Method Not Allowed", "", "")
        }
    };
    match answer {
        Answer::Healthy | Answer::CloseUnannounced => healthy(""),
        Answer::CloseAfterEach => healthy("Connection: close\r\n"),
        Answer::Unauthorized => response(
            "401 Unauthorized",
            "Content-Type: text/plain\r\n",
            "No API key found in request",
        ),
        Answer::Status(code) => response(&format!("{code} Status"), "", ""),
        Answer::Bytes(bytes) => bytes.clone(),
        Answer::Silence => Vec::new(),
        Answer::Cut => b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(),
    }
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}
