use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use futures_util::FutureExt;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::config::{self, AdminListen, HealthDetails, Listen, Origin};
use crate::dependency::{Kind, Policy};
use crate::health::{self, DependencyHealth, Snapshot, Status, Writer};
use crate::http::health::Liveness;
use crate::http::metrics::Metrics;
use crate::http::{
    AdminActions, AdminListener, BoundListener, CheckNow, Context, Front, Outcome, Settings, Stop,
    serve,
};
use crate::shutdown::{self, Phase, PhaseWriter};

/// Far longer than anything takes: only a hang reaches it.
pub(crate) const HANG: Duration = Duration::from_secs(20);

pub(crate) fn loopback() -> Listen {
    Listen {
        host: "127.0.0.1".into(),
        port: 0,
    }
}

pub(crate) fn settings() -> config::Api {
    config::Api {
        listen: loopback(),
        title: "EFIR Budget Planning API".into(),
        allowed_origins: vec![Origin::Exact("http://localhost:5173".into())],
        max_connections: 100,
        max_body: 1024,
        import_max_body: 4096,
        header_timeout: Duration::from_mins(1),
        request_timeout: Duration::from_mins(1),
        keep_alive_timeout: Duration::from_mins(1),
        body_idle_timeout: Duration::from_mins(1),
        health_details: HealthDetails::Full,
        trusted_proxies: Vec::new(),
    }
}

pub(crate) fn dependency(name: &str, policy: Policy, status: Status) -> DependencyHealth {
    DependencyHealth {
        url: format!("tcp://{name}:1").into(),
        status,
        ..DependencyHealth::unknown(
            name.parse().unwrap(),
            Kind::Tcp,
            policy,
            Timestamp::UNIX_EPOCH,
        )
    }
}

pub(crate) fn snapshot(dependencies: Vec<DependencyHealth>) -> Snapshot {
    Snapshot {
        sequence: 1,
        dependencies: dependencies.into_iter().map(Arc::new).collect(),
        timeline: Arc::default(),
    }
}

/// A running front, and everything that drives it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) settings: Settings,
    pub(crate) health: Writer,
    pub(crate) phase: PhaseWriter,
    pub(crate) stop: Stop,
    tasks: JoinSet<Outcome>,
}

pub(crate) struct Builder {
    pub(crate) settings: config::Api,
    pub(crate) v1: Router,
    pub(crate) liveness: Liveness,
    pub(crate) dependencies: Vec<DependencyHealth>,
    pub(crate) metrics: Metrics,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            settings: settings(),
            v1: Router::new(),
            liveness: Arc::new(|| Ok(())),
            dependencies: [dependency("database", Policy::Required, Status::Ok)]
                .into_iter()
                .collect(),
            metrics: Metrics::register(&mut Registry::default()),
        }
    }
}

impl Builder {
    fn parts(self) -> (Context, Router, Writer, PhaseWriter) {
        let (health, reader) =
            health::channel(snapshot(self.dependencies), crate::http::health::render);
        let (mut phase, phase_reader) = shutdown::phase();
        phase.advance(Phase::Serving);
        let context = Context {
            settings: Arc::new(ArcSwap::from_pointee(self.settings)),
            health: reader,
            phase: phase_reader,
            liveness: self.liveness,
            cache_statistics: Arc::new(|| {
                async { serde_json::json!({"status": "disabled"}) }.boxed()
            }),
            metrics: self.metrics,
            started: Instant::now(),
        };
        (context, self.v1, health, phase)
    }

    /// The API front, and what must not be dropped while it serves.
    pub(crate) fn front(self) -> (Arc<Front>, (Writer, PhaseWriter)) {
        let (context, v1, health, phase) = self.parts();
        (Front::api(&context, v1), (health, phase))
    }

    pub(crate) async fn start(self) -> Server {
        let (context, v1, health, phase) = self.parts();
        let bound = BoundListener::bind(&loopback(), "api.listen")
            .await
            .unwrap();
        let address = bound.address();
        let front = Front::api(&context, v1);
        let stop = Stop::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(bound.listen().unwrap(), front, stop.clone()));
        Server {
            address,
            settings: context.settings,
            health,
            phase,
            stop,
            tasks,
        }
    }

    pub(crate) async fn start_admin(self, path: &Path) -> Server {
        let (context, _, health, phase) = self.parts();
        let listener = AdminListener::open(&AdminListen::Unix(path.to_owned()))
            .await
            .unwrap()
            .unwrap();
        let actions = AdminActions {
            metrics: Arc::new(|| "budgetd_up 1\n".into()),
            check: Arc::new(|name| match name {
                "database" => CheckNow::Accepted,
                "off" => CheckNow::NotWatched,
                _ => CheckNow::Unknown,
            }),
        };
        let stop = Stop::default();
        let mut tasks = JoinSet::new();
        let front = Front::admin(&context, actions);
        tasks.spawn(serve(listener, front, stop.clone()));
        Server {
            address: ([127, 0, 0, 1], 0).into(),
            settings: context.settings,
            health,
            phase,
            stop,
            tasks,
        }
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Builder::default().start().await
    }

    pub(crate) async fn client(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// One request over a connection of its own.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.client().await.get(path).await
    }

    pub(crate) async fn ended(&mut self) -> Outcome {
        let ended = timeout(HANG, self.tasks.join_next()).await;
        ended.expect("serving ends").unwrap().unwrap()
    }
}

/// A response as it came over the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

pub(crate) struct Client<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl Client<UnixStream> {
    pub(crate) async fn unix(path: &Path) -> Self {
        Self::new(UnixStream::connect(path).await.unwrap())
    }
}

impl Client<TcpStream> {
    /// Waits until something has arrived, and leaves it there.
    pub(crate) async fn readable(&self) {
        let readable = timeout(HANG, self.stream.readable()).await;
        readable.expect("the server hangs").unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n"))
            .await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await.expect("an answer")
    }

    /// `None` when the peer closes first.
    pub(crate) async fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status: status.parse().unwrap(),
            headers,
            body: String::new(),
        };
        let length = match (method, answer.header("content-length")) {
            ("HEAD", _) | (_, None) => 0,
            (_, Some(length)) => length.parse().unwrap(),
        };
        while self.buffer.len() < length {
            assert!(self.fill().await, "closed inside a body");
        }
        let body: Vec<u8> = self.buffer.drain(..length).collect();
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Some(answer)
    }

    /// Reads this many bytes and forgets them.
    pub(crate) async fn take(&mut self, bytes: usize) {
        let mut taken = vec![0; bytes];
        self.stream.read_exact(&mut taken).await.unwrap();
    }

    /// Waits for the peer to close, taking nothing until `patience` is over.
    pub(crate) async fn closed_after(&mut self, patience: Duration) {
        tokio::time::sleep(patience).await;
        while self.fill().await {}
    }

    /// Waits for the peer to close; nothing may come before that.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await {}
        assert!(
            self.buffer.is_empty(),
            "{}",
            String::from_utf8_lossy(&self.buffer)
        );
    }

    async fn fill(&mut self) -> bool {
        let read = timeout(HANG, self.stream.read_buf(&mut self.buffer)).await;
        // A reset is a close, too.
        read.expect("the server hangs").unwrap_or(0) > 0
    }
}
