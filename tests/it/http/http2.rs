//! HTTP/2 is not spoken: whoever tries gets one refusal, and what makes floods
//! of it elsewhere (rapid reset, continuation frames) is never looked at.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{codes, sample};
use crate::support::{Daemon, DaemonOptions, client};

/// RFC 9113, section 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Thousands of streams that are opened and reset at once (CVE-2023-44487).
fn rapid_reset() -> Vec<u8> {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const END: u8 = 0x5;

    let mut bytes = frame(4, 0, 0, &[]);
    for number in 0..5_000 {
        let stream = 2 * number + 1;
        // `GET`, `/` and `http`, from the static table of HPACK.
        bytes.extend(frame(HEADERS, END, stream, &[0x82, 0x84, 0x86]));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    bytes
}

/// Headers that go on and on (CVE-2024-27316).
fn continuation() -> Vec<u8> {
    let mut bytes = frame(4, 0, 0, &[]);
    bytes.extend(frame(1, 0, 1, &[0x82, 0x84, 0x86]));
    for _ in 0..200 {
        bytes.extend(frame(9, 0, 1, &[0; 1_000]));
    }
    bytes
}

/// Requests that the API listener has answered, apart from health.
async fn requests(daemon: &Daemon) -> f64 {
    let metrics = daemon.ask("/metrics").await.body;
    let of_api = |line: &&str| {
        line.starts_with("budgetd_http_requests_total{listener=\"api\"")
            && !line.contains("route=\"/health")
    };
    let counts = metrics.lines().filter(of_api);
    counts
        .map(|line| sample(line, "budgetd_http_requests_total"))
        .sum()
}

#[tokio::test]
async fn a_client_of_http_2_is_refused_once_and_reaches_nothing() {
    let daemon = DaemonOptions::default().serve().await;
    for flood in [Vec::new(), rapid_reset(), continuation()] {
        for port in [daemon.api(), daemon.admin()] {
            let answer = client::raw(port, [PREFACE, &flood].concat()).await;
            // Whoever goes on sending may lose the answer to a reset.
            assert!(
                codes(&answer) == ["505"] || (answer.is_empty() && !flood.is_empty()),
                "{answer}"
            );
            assert!(
                answer.is_empty()
                    || answer.ends_with(r#"{"detail":"HTTP/2 is not spoken here, only HTTP/1.1"}"#)
            );
        }
    }
    assert!(requests(&daemon).await < 0.5, "none of it was a request");

    // An upgrade may be ignored (RFC 9110, section 7.8): HTTP/1.1 goes on, and
    // what follows is no request of it.
    let upgrade = b"GET / HTTP/1.1\r\nhost: t\r\nconnection: upgrade, http2-settings\r\n\
                    upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n";
    let answer = client::raw(daemon.api(), [upgrade, PREFACE].concat()).await;
    assert_eq!(codes(&answer), ["200", "505"], "{answer}");
}

#[tokio::test]
async fn floods_of_http_2_cost_nobody_anything() {
    let daemon = DaemonOptions::default().serve().await;
    let flood = [PREFACE, &rapid_reset()].concat();
    let mut floods = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (port, flood) = (daemon.api(), flood.clone());
        floods.spawn(async move {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            // It is cut off while it sends.
            let _ = stream.write_all(&flood).await;
            client::rest(&mut stream).await
        });
        assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    }
    for answer in floods.join_all().await {
        let codes = codes(&answer);
        assert!(codes.is_empty() || codes == ["505"], "{answer}");
    }
    assert!(requests(&daemon).await < 0.5);
    assert_eq!(daemon.get("/").await.unwrap().code, 200);
}
