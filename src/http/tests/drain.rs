use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use tokio::sync::Semaphore;

use super::support::{Builder, Server};
use crate::http::CutRequest;
use crate::shutdown::Phase;

/// A route that answers once it is let go, and tells when it was entered.
struct Slow {
    entered: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

fn slow() -> (Slow, Builder) {
    let slow = Slow {
        entered: Arc::new(Semaphore::new(0)),
        go: Arc::new(Semaphore::new(0)),
    };
    let (entered, go) = (slow.entered.clone(), slow.go.clone());
    let handler = move || {
        let (entered, go) = (entered.clone(), go.clone());
        async move {
            entered.add_permits(1);
            go.acquire().await.unwrap().forget();
            "done"
        }
    };
    let builder = Builder {
        v1: Router::new().route("/slow/{id}", get(handler)),
        ..Builder::default()
    };
    (slow, builder)
}

const REQUEST: &str = "GET /api/v1/slow/7 HTTP/1.1\r\nhost: t\r\n\r\n";

#[tokio::test]
async fn in_flight_requests_finish_and_idle_connections_close_at_once() {
    let (slow, builder) = slow();
    let mut server = builder.start().await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/health").await.status, 200);
    let mut busy = server.client().await;
    busy.send(REQUEST).await;
    slow.entered.acquire().await.unwrap().forget();

    server.phase.advance(Phase::Draining);
    server.stop.accepting.cancel();
    idle.closed().await;
    // The listener is gone while the request is still being handled.
    while tokio::net::TcpStream::connect(server.address).await.is_ok() {}

    slow.go.add_permits(1);
    let answer = busy.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    assert_eq!(answer.header("connection"), Some("close"));
    busy.closed().await;
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn what_is_cut_is_counted_and_named() {
    let (slow, builder) = slow();
    let stream = || async {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>("first")]);
        let never = futures_util::stream::pending();
        Body::from_stream(futures_util::StreamExt::chain(first, never))
    };
    let builder = Builder {
        v1: builder.v1.route("/stream", get(stream)),
        ..builder
    };
    let mut server = builder.start().await;
    let mut idle = server.client().await;
    assert_eq!(idle.get("/").await.status, 200);
    let mut busy = server.client().await;
    busy.send(REQUEST).await;
    slow.entered.acquire().await.unwrap().forget();
    let mut streaming = server.client().await;
    assert_eq!(streaming.get("/api/v1/stream").await.status, 200);

    server.stop.accepting.cancel();
    idle.closed().await;
    server.stop.cut.cancel();
    let cut = |route: &str| CutRequest {
        method: "GET".into(),
        route: route.into(),
    };
    assert_eq!(
        server.ended().await.cut,
        [cut("/api/v1/slow/{id}"), cut("/api/v1/stream")]
    );
    assert!(busy.answer_to("GET").await.is_none());
}

#[tokio::test]
async fn whoever_waits_to_be_accepted_is_served() {
    // On one thread, nothing is accepted until this test waits; connecting and
    // writing on loopback do not need the server's help.
    let mut server = Server::start().await;
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        std::io::Write::write_all(
            &mut &stream,
            b"GET /health/ready HTTP/1.1\r\nhost: t\r\n\r\n",
        )
        .unwrap();
        stream.set_nonblocking(true).unwrap();
        waiting.push(stream);
    }
    server.phase.advance(Phase::Draining);
    server.stop.accepting.cancel();
    for stream in waiting {
        let stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let mut client = super::support::Client::new(stream);
        let answer = client.answer().await;
        assert_eq!(answer.json()["status"], "draining");
        client.closed().await;
    }
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn a_request_that_is_in_the_kernel_when_the_stop_comes_is_answered() {
    let mut server = Server::start().await;
    let mut client = {
        let stream = std::net::TcpStream::connect(server.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        super::support::Client::new(tokio::net::TcpStream::from_std(stream).unwrap())
    };
    assert_eq!(client.get("/health").await.status, 200);
    // No wait between these two: the runtime has not seen the bytes yet.
    client.send("GET /health HTTP/1.1\r\nhost: t\r\n\r\n").await;
    server.stop.accepting.cancel();
    assert_eq!(client.answer().await.status, 200);
    client.closed().await;
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn a_head_that_is_arriving_when_the_stop_comes_is_answered() {
    let mut server = Server::start().await;
    let mut idle = server.client().await;
    let mut client = server.client().await;
    for client in [&mut idle, &mut client] {
        assert_eq!(client.get("/health").await.status, 200);
    }
    client.send("GET /health HTTP/1.1\r\nho").await;
    server.stop.accepting.cancel();
    idle.closed().await;
    client.send("st: t\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    client.closed().await;
    assert_eq!(server.ended().await.cut, []);
}

#[tokio::test]
async fn responses_say_close_during_the_drain_delay_and_connects_still_work() {
    let mut server = Server::start().await;
    server.phase.advance(Phase::Draining);
    for path in ["/health", "/", "/nowhere"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
    }
    server.stop.accepting.cancel();
    server.ended().await;
}

#[tokio::test]
async fn a_response_that_is_on_its_way_to_a_slow_reader_arrives_whole() {
    // More than the kernel keeps between the two.
    const SIZE: usize = 32 << 20;
    let builder = Builder {
        v1: Router::new().route("/large", get(|| async { "x".repeat(SIZE) })),
        ..Builder::default()
    };
    let mut server = builder.start().await;
    server.phase.advance(Phase::Draining);
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let mut client = super::support::Client::new(stream);
    client
        .send("GET /api/v1/large HTTP/1.1\r\nhost: t\r\n\r\n")
        .await;
    client.readable().await;
    server.stop.accepting.cancel();
    assert_eq!(client.answer().await.body.len(), SIZE);
    client.closed().await;
    assert_eq!(server.ended().await.cut, []);
}
