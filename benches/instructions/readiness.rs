//! `GET /health/ready` over a connection that stays open: parsing, the
//! document, writing, and all that stands around them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use tokio::runtime::Builder;
use tokio::time::Instant;

use budgetd::config::{Config, Dependency, Listen, Sources, load};
use budgetd::health::{self, DependencyHealth, Snapshot, Status};
use budgetd::http::metrics::Metrics;
use budgetd::http::{self, BoundListener, Context, Front, Stop};
use budgetd::shutdown::{self, Phase};

pub(crate) fn walk(times: u32) {
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("the system provides a runtime");
    runtime.block_on(async {
        let stop = Stop::default();
        let config = load(&Sources::default())
            .expect("defaults are valid")
            .config;
        let (_writer, reader) = health::channel(snapshot(&config), http::health::render);
        let (mut phase_writer, phase) = shutdown::phase();
        phase_writer.advance(Phase::Serving);
        let context = Context {
            settings: Arc::new(ArcSwap::from_pointee(config.api.clone())),
            health: reader,
            phase,
            liveness: Arc::new(|| Ok(())),
            cache_statistics: Arc::new(|| async { serde_json::Value::Null }.boxed()),
            metrics: Metrics::register(&mut Registry::default()),
            started: Instant::now(),
        };
        let listen = Listen {
            host: "127.0.0.1".to_owned(),
            port: 0,
        };
        let bound = BoundListener::bind(&listen, "api.listen").await;
        let bound = bound.expect("there are ports left");
        let address = bound.address();
        let listener = bound.listen().expect("it is ours");
        let front = Front::api(&context, axum::Router::new());
        let asked = stop.clone();
        // A thread waits in the kernel, where nothing is counted.
        let client = std::thread::spawn(move || {
            ask(address, times);
            asked.cut.cancel();
        });
        http::serve(listener, front, stop).await;
        client.join().expect("all was answered");
    });
}

fn ask(address: SocketAddr, times: u32) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("it is open");
    let mut answer = [0; 4096];
    for _ in 0..times {
        let request = b"GET /health/ready HTTP/1.1\r\nhost: budgetd\r\n\r\n";
        stream.write_all(request).expect("it is open");
        let count = stream.read(&mut answer).expect("it answers");
        let answer = &answer[..count];
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"}"));
    }
}

fn snapshot(config: &Config) -> Snapshot {
    Snapshot {
        sequence: 1,
        dependencies: config.dependencies.iter().map(up).collect(),
        timeline: Arc::default(),
    }
}

fn up(dependency: &Dependency) -> Arc<DependencyHealth> {
    let now = Timestamp::now();
    Arc::new(DependencyHealth {
        url: "tcp://localhost:1".into(),
        status: Status::Ok,
        initialized: true,
        latency: Some(Duration::from_micros(410)),
        attempts: 1,
        last_checked: Some(now),
        ..DependencyHealth::unknown(
            dependency.name.clone(),
            dependency.kind,
            dependency.policy,
            now,
        )
    })
}
