//! Bytes that no client of good will sends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::codes;
use crate::support::{Daemon, DaemonOptions, client, wait, within};

async fn daemon() -> Daemon {
    DaemonOptions::default()
        .config("[api]\nmax_body = '1KiB'\nimport_max_body = '2KiB'")
        .serve()
        .await
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// What is no request is answered as every error is, and has an id, too.
#[track_caller]
fn is_in_our_form(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nx-correlation-id: "), "{answer}");
    assert!(head.contains("\r\nconnection: close"), "{answer}");
    assert_eq!(head.matches("\r\ndate: ").count(), 1, "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(body["detail"].is_string(), "{answer}");
}

#[tokio::test]
async fn garbage_is_400_and_costs_nobody_else_anything() {
    let daemon = daemon().await;
    for garbage in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: t\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost t\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: t\r\n bad: fold\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: t\r\nx: \x00\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: gzip\r\n\r\n",
    ] {
        for port in [daemon.api(), daemon.admin()] {
            let answer = client::raw(port, garbage).await;
            let shown = String::from_utf8_lossy(garbage);
            assert_eq!(codes(&answer), ["400"], "{shown:?}: {answer}");
            is_in_our_form(&answer);
        }
    }
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}

#[tokio::test]
async fn a_flood_of_headers_is_431() {
    let daemon = daemon().await;
    let many = "x: y\r\n".repeat(200);
    let large = format!("x: {}\r\n", "y".repeat(100_000));
    let long = format!("GET /{} HTTP/1.1\r\nhost: t\r\n\r\n", "y".repeat(70_000));
    for (request, expected) in [
        (format!("GET / HTTP/1.1\r\nhost: t\r\n{many}\r\n"), "431"),
        (format!("GET / HTTP/1.1\r\nhost: t\r\n{large}\r\n"), "431"),
        (long, "414"),
    ] {
        let answer = client::raw(daemon.api(), &request).await;
        let code = codes(&answer);
        assert!(code == [expected] || code == ["431"], "{answer}");
        is_in_our_form(&answer);
    }
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}

#[tokio::test]
async fn slow_headers_are_408_while_everybody_else_is_served() {
    let daemon = DaemonOptions::default()
        .config("[api]\nheader_timeout = '300ms'")
        .serve()
        .await;
    let mut slow = connect(daemon.api()).await;
    slow.write_all(b"GET / HTTP/1.1\r\nhost: t\r\n")
        .await
        .unwrap();
    let trickle = async {
        // A byte now and then buys no time.
        while slow.write_all(b"x").await.is_ok() {
            let ready = daemon.get("/health/ready").await.unwrap();
            assert_eq!(ready.code, 200);
            let mut answer = [0; 12];
            let read = slow.try_read(&mut answer).unwrap_or_default();
            if read > 0 {
                return String::from_utf8_lossy(&answer[..read]).into_owned();
            }
        }
        panic!("it was closed without an answer");
    };
    assert_eq!(
        within("the slow client is cut", trickle).await,
        "HTTP/1.1 408"
    );
}

#[tokio::test]
async fn half_open_connections_hold_nobody_up() {
    let mut daemon = daemon().await;
    let mut silent = Vec::new();
    for head in ["", "GET", "GET / HTTP/1.1\r\nho"] {
        let mut stream = connect(daemon.api()).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    // Whoever closes his half has said all he will; a whole request counts.
    let mut half = connect(daemon.api()).await;
    half.write_all(b"GET /health HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    half.shutdown().await.unwrap();
    assert_eq!(codes(&client::rest(&mut half).await), ["200"]);

    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    let gauge = async || {
        let metrics = daemon.ask("/metrics").await.body;
        super::sample(&metrics, "budgetd_http_connections{listener=\"api\"}")
    };
    wait::until("three are counted", wait::PATIENCE, async || {
        (gauge().await > 2.5).then_some(())
    })
    .await;
    drop(silent);
    wait::until("none is left", wait::PATIENCE, async || {
        (gauge().await < 0.5).then_some(())
    })
    .await;
    daemon.signal(rustix::process::Signal::INT);
    assert_eq!(daemon.exit().await, 0);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_before_it_is_read() {
    let daemon = daemon().await;
    let announced = "POST /api/v1/x HTTP/1.1\r\nhost: t\r\ncontent-length: 99999999999\r\n\r\n";
    let answer = client::raw(daemon.api(), announced).await;
    assert_eq!(codes(&answer), ["413"], "{answer}");
    assert!(
        answer.contains(r#"{"detail":"the body is larger than"#),
        "{answer}"
    );

    let impossible =
        "POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 99999999999999999999999\r\n\r\n";
    let answer = client::raw(daemon.api(), impossible).await;
    assert_eq!(codes(&answer), ["400"], "{answer}");

    // Nobody reads it, and nobody keeps it: an unknown path is that.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(64);
    let chunked = format!(
        "POST /nowhere HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    let answer = client::raw(daemon.api(), &chunked).await;
    assert_eq!(codes(&answer), ["404"], "{answer}");
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let daemon = daemon().await;
    let pipelined = "GET /health HTTP/1.1\r\nhost: t\r\n\r\n\
                     \r\nGET /nowhere HTTP/1.1\r\nhost: t\r\n\r\n\
                     DELETE /health HTTP/1.1\r\nhost: t\r\n\r\n\
                     GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n";
    let answer = client::raw(daemon.api(), pipelined).await;
    assert_eq!(codes(&answer), ["200", "404", "405", "200"], "{answer}");

    // The answers before garbage are those of requests.
    for first in ["GET /", "GET /health", "HEAD /docs/", "GET /openapi.json"] {
        let requests = format!("{first} HTTP/1.1\r\nhost: t\r\n\r\nrubbish\r\n\r\n");
        let answer = client::raw(daemon.api(), requests).await;
        assert_eq!(codes(&answer), ["200", "400"], "{answer}");
        is_in_our_form(&answer[answer.rfind("HTTP/1.1 ").unwrap()..]);
    }

    // One byte at a time is the same request.
    let mut stream = connect(daemon.api()).await;
    stream.set_nodelay(true).unwrap();
    for byte in b"GET /health/live HTTP/1.1\r\nconnection: close\r\nhost: t\r\n\r\n" {
        stream.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(codes(&client::rest(&mut stream).await), ["200"]);
}

#[tokio::test]
async fn a_client_that_leaves_early_is_only_a_line() {
    let daemon = daemon().await;
    for head in [
        "GET / HTTP/1.1\r\nhost: t\r\n\r\n",
        "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: t\r\n\r\n",
    ] {
        let mut stream = connect(daemon.api()).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.read_u8().await.unwrap();
        // Unread bytes make this a reset.
        drop(stream);
    }
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}
