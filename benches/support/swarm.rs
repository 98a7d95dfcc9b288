//! Clients that ask as fast as they get answers, each over one connection that
//! stays open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::machine::processor_seconds;
use crate::statistics::{count, percentile};
use crate::support::{Daemon, caller};

/// So many connections ask at the same time, each for a user of its own.
pub(crate) const CONNECTIONS: usize = 32;

/// Who is asked: its port, and the process that answers there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) port: u16,
    pub(crate) pid: u32,
}

impl From<&Daemon> for Asked {
    fn from(daemon: &Daemon) -> Self {
        Self {
            port: daemon.api(),
            pid: daemon.pid(),
        }
    }
}

/// What is asked for, and what `X-Cache` should say to it, if that matters.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) paths: Arc<[String]>,
    pub(crate) until: Until,
    pub(crate) expected: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// The paths, again and again for so long.
    Over(Duration),
    /// Each of the paths once.
    Done,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of each answer, from the request to the last byte.
    pub(crate) latencies: Vec<Duration>,
    /// Answers of which `X-Cache` said something else than expected: on a slow
    /// machine a cache may be passed by.
    pub(crate) others: usize,
    pub(crate) took: Duration,
    /// What the daemon spent of its core.
    pub(crate) processor: Duration,
}

impl Outcome {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.latencies.len()) / self.took.as_secs_f64()
    }

    /// A percentile of the latencies, in milliseconds.
    pub(crate) fn latency(&self, percent: usize) -> f64 {
        let millis = self
            .latencies
            .iter()
            .map(|latency| latency.as_secs_f64() * 1e3);
        percentile(percent, millis)
    }

    /// Adds what came of the same work done once more.
    pub(crate) fn add(&mut self, more: Self) {
        self.latencies.extend(more.latencies);
        self.others += more.others;
        self.took += more.took;
        self.processor += more.processor;
    }
}

/// Does the work on threads of its own: the caller's keeps its servers.
pub(crate) async fn run(asked: impl Into<Asked>, work: Work) -> Outcome {
    let asked = asked.into();
    let threads = available_parallelism().map_or(1, |count| count.get().min(4));
    let shared = Arc::new(Shared {
        port: asked.port,
        work,
        next: AtomicUsize::new(0),
        start: Barrier::new(threads),
    });
    let before = processor_seconds(asked.pid);
    let parts: Vec<_> = (0..threads)
        .map(|thread| {
            let (done, part) = oneshot::channel();
            let shared = shared.clone();
            let users = (thread..CONNECTIONS).step_by(threads).collect();
            std::thread::spawn(move || done.send(part_of(&shared, users)));
            part
        })
        .collect();
    let mut outcome = Outcome::default();
    for part in parts {
        let part = part.await.expect("every request is answered with 200");
        outcome.latencies.extend(part.latencies);
        outcome.others += part.others;
        // They work at the same time.
        outcome.took = outcome.took.max(part.took);
    }
    let spent = processor_seconds(asked.pid) - before;
    outcome.processor = Duration::from_secs_f64(spent);
    outcome
}

struct Shared {
    port: u16,
    work: Work,
    next: AtomicUsize,
    start: Barrier,
}

impl Shared {
    fn next_path(&self) -> Option<&str> {
        let paths = &self.work.paths;
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        match self.work.until {
            Until::Over(_) => Some(&paths[nth % paths.len()]),
            Until::Done => paths.get(nth).map(String::as_str),
        }
    }
}

fn part_of(shared: &Arc<Shared>, users: Vec<usize>) -> Outcome {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system provides a runtime")
        .block_on(async {
            let mut drivers = JoinSet::new();
            let mut asking = JoinSet::new();
            let mut clients = Vec::new();
            for user in users {
                clients.push(Client::connect(shared.port, user, &mut drivers).await);
            }
            shared.start.wait();
            let began = Instant::now();
            for client in clients {
                let shared = shared.clone();
                asking.spawn(async move { client.ask(&shared, began).await });
            }
            let mut outcome = Outcome::default();
            for one in asking.join_all().await {
                outcome.add(one);
            }
            outcome.took = began.elapsed();
            outcome
        })
}

struct Client {
    sender: SendRequest<Empty<Bytes>>,
    authorization: String,
}

impl Client {
    async fn connect(port: u16, user: usize, drivers: &mut JoinSet<()>) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.expect("it listens");
        stream.set_nodelay(true).expect("it is connected");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        drivers.spawn(async move {
            // A request that is cut off says so itself.
            let _ = connection.await;
        });
        let user = format!("00000000-0000-4000-8000-{user:012}");
        let token = caller::sign(&caller::claims(&user, "viewer"));
        Self {
            sender,
            authorization: format!("Bearer {token}"),
        }
    }

    async fn ask(mut self, shared: &Shared, began: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        while let Some(path) = shared.next_path() {
            if let Until::Over(length) = shared.work.until
                && began.elapsed() >= length
            {
                break;
            }
            let request = Request::get(path)
                .header("host", "budgetd")
                .header("authorization", &self.authorization)
                .body(Empty::new())
                .expect("it is one");
            let sent = Instant::now();
            self.sender.ready().await.expect("the connection stays");
            let response = self.sender.send_request(request).await;
            let (head, body) = response.expect("the daemon answers").into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            outcome.latencies.push(sent.elapsed());
            assert!(head.status == 200, "{path}: {head:?} {body:?}");
            let told = head.headers.get("x-cache");
            let expected = shared.work.expected;
            if expected.is_some_and(|expected| told.is_none_or(|told| told != expected)) {
                outcome.others += 1;
            }
        }
        outcome
    }
}
