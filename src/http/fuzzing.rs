//! Bytes on the socket of the front, and queries about readiness.

use std::cell::LazyCell;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use futures_util::FutureExt;
use hyper::Method;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::admission::Seat;
use super::connection;
use super::front::{Context, Front};
use super::health;
use super::health::HealthRoute;
use super::metrics::Metrics;
use super::service::ConnectionService;
use crate::config::Config;
use crate::dependency::{Kind, Policy};
use crate::health::{DependencyHealth, Snapshot, Status, Writer, channel};
use crate::shutdown::{Phase, PhaseWriter, phase};

mod wire;

/// Far longer than anything takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(10);

/// Where the kept inputs of the front are cut into several writes.
const CUT: u8 = 0xff;

/// The longest body that the front lets in, in bytes.
const MAX_BODY: usize = 64;

/// Dependencies in start order, one of each kind that readiness tells apart.
const MIXED: [(&str, Policy, Status); 4] = [
    ("database", Policy::Required, Status::Ok),
    ("search", Policy::Required, Status::Error),
    ("cache", Policy::Optional, Status::Error),
    ("supabase_auth", Policy::Optional, Status::NotConfigured),
];

const UP: [(&str, Policy, Status); 1] = [("database", Policy::Required, Status::Ok)];

thread_local! {
    static OPEN: LazyCell<House> = LazyCell::new(|| House::with(&UP));
    static TROUBLED: LazyCell<House> = LazyCell::new(|| House::with(&MIXED));
}

/// A front with two routes of its own, and what must not be dropped while it
/// serves.
struct House {
    runtime: Runtime,
    front: Arc<Front>,
    _writers: (Writer, PhaseWriter),
}

impl House {
    fn with(dependencies: &[(&str, Policy, Status)]) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let entered = runtime.enter();
        let mut api = Config::builtin().api;
        api.max_body = MAX_BODY;
        api.import_max_body = 128;
        let all = dependencies
            .iter()
            .map(|(name, policy, status)| dependency(name, *policy, *status));
        let snapshot = Snapshot {
            sequence: 1,
            dependencies: all.map(Arc::new).collect(),
            timeline: Arc::default(),
        };
        let (health, reader) = channel(snapshot, health::render);
        let (mut writer, phase) = phase();
        writer.advance(Phase::Serving);
        let context = Context {
            settings: Arc::new(ArcSwap::from_pointee(api)),
            health: reader,
            phase,
            liveness: Arc::new(|| Ok(())),
            cache_statistics: Arc::new(|| async { json!({"status": "disabled"}) }.boxed()),
            metrics: Metrics::register(&mut Registry::default()),
            started: Instant::now(),
        };
        let length = async |body: Bytes| body.len().to_string();
        let v1 = Router::new().route("/length", post(length).put(length));
        let front = Front::api(&context, v1);
        drop(entered);
        Self {
            runtime,
            front,
            _writers: (health, writer),
        }
    }

    /// All that is answered to `bytes`, which arrive in pieces and are the
    /// last that this client says.
    fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let exchange = async {
            let (client, server) = UnixStream::pair().expect("a pair of sockets");
            let activity = Arc::new(Activity::new(self.front.head()));
            let service = ConnectionService {
                front: self.front.clone(),
                activity: activity.clone(),
                peer: Some(Ipv4Addr::LOCALHOST.into()),
                seat: Seat::Full,
            };
            let (deadlines, stop) = (self.front.deadlines(), CancellationToken::new());
            let serving = connection::serve(server, activity, service, deadlines, stop);
            let (mut reads, mut writes) = client.into_split();
            let asking = async {
                for piece in bytes.split(|byte| *byte == CUT) {
                    // Whoever is cut off has had his answer.
                    let _ = writes.write_all(piece).await;
                    tokio::task::yield_now().await;
                }
                let _ = writes.shutdown().await;
            };
            let listening = async {
                let mut answer = Vec::new();
                let _ = reads.read_to_end(&mut answer).await;
                answer
            };
            // Leaving ends a close that waits for what else may come.
            let client = async { tokio::join!(listening, asking).0 };
            let (_ended, answer) = tokio::join!(serving, client);
            answer
        };
        let answer = async { timeout(HANG, exchange).await };
        self.runtime.block_on(answer).expect("it ends")
    }
}

fn dependency(name: &str, policy: Policy, status: Status) -> DependencyHealth {
    DependencyHealth {
        url: format!("tcp://{name}:1").into(),
        status,
        ..DependencyHealth::unknown(
            name.parse().expect("a name"),
            Kind::Tcp,
            policy,
            Timestamp::UNIX_EPOCH,
        )
    }
}

/// Everything that a client of the API listener sends before it closes its
/// half of the connection.
pub fn front(bytes: &[u8]) -> bool {
    let sent: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != CUT).collect();
    let answer = OPEN.with(|house| house.answer(bytes));
    let answers = wire::answers(&answer).unwrap_or_else(|fault| {
        panic!("{fault}: {:?}", String::from_utf8_lossy(&answer));
    });
    let (requests, tail) = wire::requests(&sent);
    let most = requests.len() + usize::from(!tail.is_empty());
    assert!(
        answers.len() <= most,
        "{} answers to {most} requests: a body was taken for a request: {:?}",
        answers.len(),
        String::from_utf8_lossy(&answer)
    );
    for (index, answer) in answers.iter().enumerate() {
        let request = requests.get(index);
        let is_own = match request {
            Some(request) => request.ids.contains(&answer.id),
            None => wire::find(tail, answer.id.as_bytes()).is_some(),
        };
        let is_foreign = requests.iter().any(|other| other.ids.contains(&answer.id));
        assert!(is_own || !is_foreign, "{answer:?} is another's");
        let Some(request) = request.filter(|_| answer.status < 400) else {
            continue;
        };
        let names_one = matches!(&request.ids[..], [id] if wire::is_valid(id));
        assert!(is_own || !names_one, "{answer:?} to {request:?}");
        if let Some(length) = request.measured.filter(|_| answer.status == 200) {
            assert_eq!(
                answer.body,
                length.to_string().as_bytes(),
                "a body is broken"
            );
            assert!(length <= MAX_BODY, "{length} bytes are let in");
        }
    }
    answers.iter().any(|answer| answer.status < 400)
}

/// The query of `/health/ready`.
pub fn readiness(bytes: &[u8]) -> bool {
    let query = String::from_utf8_lossy(bytes);
    let ask = |query: &str| {
        let answer = TROUBLED.with(|house| {
            let health = &house.front.health;
            health.answer(HealthRoute::Ready, &Method::GET, Some(query))
        });
        let mut document: Value = serde_json::from_slice(answer.body()).expect("JSON");
        for moving in ["timestamp", "uptime_seconds"] {
            document.as_object_mut().expect("an object").remove(moving);
        }
        (answer.status().as_u16(), document)
    };
    let (status, document) = ask(&query);
    let is_found = document["checks"].is_object();
    let asked = asked(&query);
    let known = MIXED.map(|(name, ..)| name);
    let all_known = asked.iter().all(|name| known.contains(&name.as_str()));
    assert_eq!(is_found, all_known, "{query:?}");
    if is_found {
        let checks = document["checks"].as_object().expect("checks");
        // Each once, in start order.
        let chosen: Vec<_> = checks.keys().map(String::as_str).collect();
        let wanted = |name: &&str| asked.is_empty() || asked.iter().any(|one| one == name);
        let expected: Vec<_> = known.into_iter().filter(wanted).collect();
        assert_eq!(chosen, expected, "{query:?}");
        let down = chosen.contains(&"search");
        assert_eq!(status, if down { 503 } else { 200 }, "{query:?}");
        for name in &chosen {
            let one = ask(&format!("name={name}"));
            assert_eq!(one.1["checks"][name], document["checks"][name]);
        }
    } else {
        assert_eq!(status, 404, "{query:?}");
        let detail = document["detail"].as_str().expect("a detail");
        assert!(!detail.contains(char::is_control), "{detail:?}");
        assert!(detail.len() < 800, "{detail:?}");
    }
    // What probes add of their own, and saying it twice, changes nothing.
    assert_eq!(ask(&format!("x=1&{query}&y")), (status, document.clone()));
    assert_eq!(ask(&format!("{query}&{query}")), (status, document));
    is_found
}

/// The names that a query asks for: nothing but `name` has a meaning, and
/// commas and blanks have none in a name.
fn asked(query: &str) -> Vec<String> {
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let values = pairs.filter(|(key, _)| plain(key) == "name");
    let values: Vec<String> = values.map(|(_, value)| plain(value)).collect();
    let names = values.iter().flat_map(|value| value.split(','));
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}
