use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::routing::{get, post};
use bytes::Bytes;

use super::support::{Builder, Client, Server};
use crate::http::admission::{OVERFLOW, RESERVE};
use crate::http::body::BodyLimit;
use crate::http::memory::{FREE, HEADS};

const SHORT: Duration = Duration::from_millis(30);

fn reading() -> Router {
    let length = async |body: Bytes| body.len().to_string();
    let import = async |request: Request| {
        request
            .extensions()
            .get::<BodyLimit>()
            .unwrap()
            .allow_import();
        let body = to_bytes(request.into_body(), usize::MAX).await;
        body.map(|body| body.len().to_string()).unwrap_or_default()
    };
    Router::new()
        .route("/read", post(length))
        .route("/import", post(import))
}

fn with_reading() -> Builder {
    Builder {
        v1: reading(),
        ..Builder::default()
    }
}

#[tokio::test]
async fn a_slow_header_is_answered_408_while_others_are_served() {
    let mut builder = Builder::default();
    builder.settings.header_timeout = SHORT;
    let server = builder.start().await;
    let mut slow = server.client().await;
    let mut idle = server.client().await;
    slow.send("GET / HT").await;
    assert_eq!(server.get("/health").await.status, 200);

    let answer = slow.answer().await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.detail(), "the header of the request took too long");
    assert_eq!(answer.header("connection"), Some("close"));
    slow.closed().await;
    // Idle all the while, longer than the header timeout.
    assert_eq!(idle.get("/health").await.status, 200);
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let mut builder = Builder::default();
    builder.settings.keep_alive_timeout = SHORT;
    let server = builder.start().await;
    let mut client = server.client().await;
    assert_eq!(client.get("/health").await.status, 200);
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_not_read() {
    let server = with_reading().start().await;
    let mut client = server.client().await;
    client
        .send("POST /api/v1/read HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 1025\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.detail(), "the body is larger than 1024 bytes");
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_cut() {
    let server = with_reading().start().await;
    let mut client = server.client().await;
    client
        .send("POST /api/v1/read HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..5 {
        client
            .send(format!("100\r\n{}\r\n", "x".repeat(0x100)))
            .await;
    }
    assert_eq!(client.answer().await.status, 413);
    client.closed().await;
}

#[tokio::test]
async fn imports_may_be_larger() {
    let server = with_reading().start().await;
    let mut client = server.client().await;
    let send = |length: usize| {
        format!(
            "POST /api/v1/import HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    client.send(send(4096)).await;
    assert_eq!(client.answer().await.body, "4096");
    client.send(send(4097)).await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_408() {
    let mut builder = with_reading();
    builder.settings.body_idle_timeout = SHORT;
    let server = builder.start().await;
    let mut client = server.client().await;
    client
        .send("POST /api/v1/read HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nabc")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.detail(), "the body of the request took too long");
    client.closed().await;
}

#[tokio::test]
async fn the_request_timeout_blames_whoever_is_slow() {
    let never = get(async || std::future::pending::<&'static str>().await);
    let mut builder = Builder {
        v1: reading().route("/never", never),
        ..Builder::default()
    };
    builder.settings.request_timeout = SHORT;
    let server = builder.start().await;

    let handler = server.get("/api/v1/never").await;
    assert_eq!(handler.status, 503);
    assert_eq!(handler.detail(), "the request took too long");
    assert!(handler.header("retry-after").is_some());

    let mut client = server.client().await;
    client
        .send("POST /api/v1/read HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nabc")
        .await;
    assert_eq!(client.answer().await.status, 408);
}

#[tokio::test]
async fn header_floods_are_431_and_garbage_is_400() {
    let server = Server::start().await;
    let many = "h: x\r\n".repeat(101);
    let large = format!("h: {}\r\n", "x".repeat(80 * 1024));
    for flood in [many, large] {
        let mut client = server.client().await;
        client.send(format!("GET / HTTP/1.1\r\n{flood}\r\n")).await;
        assert_eq!(client.answer().await.status, 431);
        client.closed().await;
    }
    for garbage in [
        "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "GET\r\n\r\n",
        "*3\r\n$3\r\nSET\r\n",
    ] {
        let mut client = server.client().await;
        client.send(garbage).await;
        assert_eq!(client.answer().await.status, 400, "{garbage:?}");
        client.closed().await;
    }
    assert_eq!(server.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_full_house_still_answers_health() {
    let mut builder = Builder::default();
    builder.settings.max_connections = 2;
    let server = builder.start().await;
    let mut seated = Vec::new();
    for _ in 0..2 {
        let mut client = server.client().await;
        assert_eq!(client.get("/").await.status, 200);
        seated.push(client);
    }
    let mut reserve = server.client().await;
    let health = reserve.get("/health/ready").await;
    assert_eq!(health.status, 200);
    assert_eq!(health.header("connection"), Some("close"));
    reserve.closed().await;

    let mut reserve = server.client().await;
    let other = reserve.get("/").await;
    assert_eq!(other.status, 503);
    assert!(other.header("retry-after").is_some());
    reserve.closed().await;

    assert_eq!(seated[0].get("/").await.status, 200, "who sits, sits");
    drop(seated);
    // Seats become free when the server has noticed.
    while server.get("/").await.status != 200 {}
}

#[tokio::test]
async fn above_the_reserve_a_503_is_all_there_is() {
    let mut builder = Builder::default();
    builder.settings.max_connections = 0;
    let server = builder.start().await;
    let mut reserve = Vec::new();
    for _ in 0..RESERVE {
        reserve.push(server.client().await);
    }
    // Each one is told without having asked, and the connection closes.
    let mut overflow = Vec::new();
    for _ in 0..OVERFLOW {
        let mut client = server.client().await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.detail(), "too many connections");
        assert!(answer.header("retry-after").is_some());
        overflow.push(client);
    }
    let mut dropped: Client<_> = server.client().await;
    dropped.closed().await;

    assert_eq!(reserve[0].get("/health").await.status, 200);
}

#[tokio::test]
async fn large_bodies_share_what_there_is_and_small_ones_need_no_share() {
    const LARGE: usize = 64 * 1024;

    let (reached, mut reaches) = tokio::sync::mpsc::unbounded_channel();
    let leave = Arc::new(tokio::sync::Semaphore::new(0));
    let left = leave.clone();
    let hold = async move |request: Request| {
        request
            .extensions()
            .get::<BodyLimit>()
            .unwrap()
            .allow_import();
        let body = to_bytes(request.into_body(), usize::MAX).await;
        reached.send(body.is_ok()).unwrap();
        drop(left.acquire().await);
        "left"
    };
    let mut builder = Builder {
        v1: reading().route("/hold", post(hold)),
        ..Builder::default()
    };
    builder.settings.import_max_body = LARGE;
    let server = builder.start().await;
    let request = |path: &str, length: usize| {
        let body = "x".repeat(length);
        format!("POST /api/v1/{path} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n\r\n{body}")
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = server.client().await;
        client.send(request("hold", LARGE)).await;
        assert_eq!(reaches.recv().await, Some(true));
        held.push(client);
    }
    let mut large = server.client().await;
    large.send(request("import", LARGE)).await;
    let refused = large.answer().await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.detail(), "too many large or slow requests at once");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("connection"), Some("close"));
    let mut small = server.client().await;
    small.send(request("import", 4_000)).await;
    assert_eq!(small.answer().await.body, "4000");

    // Whoever is done takes along what he held.
    leave.add_permits(1);
    let served = async {
        loop {
            let mut large = server.client().await;
            large.send(request("import", LARGE)).await;
            if large.answer().await.status == 200 {
                break;
            }
        }
    };
    tokio::time::timeout(super::support::HANG, served)
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn large_heads_share_what_there_is() {
    const LARGE: usize = 30 * 1024;

    crate::http::file_limit::raise(2_000).expect("enough files");
    let mut builder = Builder::default();
    builder.settings.max_connections = 10_000;
    let server = builder.start().await;
    let line = format!("x: {}\r\n", "y".repeat(1_000));
    let head = format!(
        "GET / HTTP/1.1\r\nhost: t\r\n{}",
        line.repeat(LARGE / line.len())
    );
    let fitting = HEADS / (head.len() - FREE);
    let mut endless = Vec::new();
    for _ in 0..fitting {
        let mut client = server.client().await;
        client.send(&head).await;
        endless.push(client);
    }
    // All are read in the end, and one more is too many; which one is told is
    // chance, for nobody knows when they are read.
    let mut one_more = server.client().await;
    one_more.send(&head).await;
    endless.push(one_more);
    let told = endless.iter_mut().map(|client| Box::pin(client.answer()));
    let (told, ..) = futures_util::future::select_all(told).await;
    assert_eq!(told.status, 503);
    assert_eq!(told.detail(), "too many large requests at once");
    assert!(told.header("retry-after").is_some());
    // Small ones go on, and so do those that have their room.
    assert_eq!(server.get("/health").await.status, 200);
}
