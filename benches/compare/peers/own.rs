//! Contestants that nobody ships: this program again, in another role.

use std::path::Path;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::Process;

mod bare;
mod plain;

pub(crate) use plain::CONNECTIONS as PLAIN_CONNECTIONS;

/// The argument that all of them begin with.
const MARK: &str = "--as";

/// What this program is to be, instead of a benchmark.
#[derive(Debug)]
pub(crate) enum Role {
    /// A server on hyper that answers everything with one text.
    Hyper { port: u16, body: String },
    /// budgetd's own handlers under `axum::serve`.
    Bare {
        port: u16,
        database: String,
        redis: String,
    },
    /// A handler as one writes it down first, on axum and tokio-postgres.
    Plain { port: u16, database: String },
}

impl Role {
    pub(crate) fn parse(arguments: &[String]) -> Option<Self> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let port = |text: &str| text.parse().expect("it is a port");
        match words[..] {
            [MARK, "hyper", number, body] => Some(Self::Hyper {
                port: port(number),
                body: body.to_owned(),
            }),
            [MARK, "bare", number, database, redis] => Some(Self::Bare {
                port: port(number),
                database: database.to_owned(),
                redis: redis.to_owned(),
            }),
            [MARK, "plain", number, database] => Some(Self::Plain {
                port: port(number),
                database: database.to_owned(),
            }),
            _ => None,
        }
    }
}

/// Starts this program in a role: its name and arguments.
pub(crate) fn start(folder: &Path, role: &[&str]) -> Process {
    let program = std::env::current_exe().expect("this runs");
    let mut arguments = vec![MARK.to_owned()];
    arguments.extend(role.iter().map(|&word| word.to_owned()));
    // It lies where perhaps only we may read.
    Process::start_as_ourselves("contestant", &program, folder, &arguments)
}

/// Plays a role until it is killed.
pub(crate) fn play(role: &Role) {
    // As budgetd has it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the system provides a runtime");
    runtime.block_on(async {
        match role {
            Role::Hyper { port, body } => hyper(*port, body).await,
            Role::Bare {
                port,
                database,
                redis,
            } => bare::serve(*port, database, redis).await,
            Role::Plain { port, database } => plain::serve(*port, database).await,
        }
    });
}

async fn hyper(port: u16, body: &str) {
    let body = Bytes::from(body.to_owned());
    let listener = listen(port).await;
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let body = body.clone();
        let answer = service_fn(move |_: Request<_>| {
            let mut response = Response::new(Full::new(body.clone()));
            let json = hyper::header::HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            std::future::ready(Ok::<_, std::convert::Infallible>(response))
        });
        connections.spawn(async move {
            // Whoever hangs up is no news.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).await;
    listener.expect("the port is ours")
}

async fn serve(port: u16, router: axum::Router) {
    let listener = listen(port).await;
    axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        }),
        router,
    )
    .await
    .expect("it serves until it is killed");
}
