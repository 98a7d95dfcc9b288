//! A full house.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{codes, sample};
use crate::support::{Daemon, DaemonOptions, client, wait};

/// The seats above `max_connections` that answer health, and those above them
/// that answer 503.
const RESERVE: usize = 64;

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.unwrap()
}

/// A connection that has a seat: it was answered on it, and stays open.
async fn seated(daemon: &Daemon) -> TcpStream {
    let mut stream = connect(daemon.api()).await;
    stream
        .write_all(b"HEAD /health HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    stream.readable().await.unwrap();
    stream
}

#[tokio::test]
async fn a_full_house_still_tells_its_health() {
    let daemon = DaemonOptions::default()
        .config("[api]\nmax_connections = 3")
        .serve()
        .await;
    let mut seats = Vec::new();
    for _ in 0..3 {
        seats.push(seated(&daemon).await);
    }
    for path in ["/health", "/health/ready", "/health/cache"] {
        let answer = daemon.get(path).await.unwrap();
        assert_eq!(answer.code, 200, "{path}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
    }
    for path in ["/", "/api/v1/x", "/docs/", "/nowhere"] {
        let answer = daemon.get(path).await.unwrap();
        assert_eq!(answer.code, 503, "{path}");
        assert_eq!(answer.json()["detail"], "too many connections");
        assert!(answer.header("retry-after").is_some());
    }

    // With the reserve taken, too, there is a prepared answer and no question.
    let refused = wait::until("the reserve is full", wait::PATIENCE, async || {
        let mut silent = Vec::new();
        for _ in 0..RESERVE {
            silent.push(connect(daemon.api()).await);
        }
        let mut last = connect(daemon.api()).await;
        let answer = client::rest(&mut last).await;
        // One of the reserve has time for two seconds of silence: on a busy
        // machine the first may be gone already.
        (!answer.is_empty()).then_some(answer)
    })
    .await;
    assert_eq!(codes(&refused), ["503"]);
    assert!(refused.contains("\r\nretry-after: "), "{refused}");
    assert!(refused.contains("\r\nconnection: close\r\n"), "{refused}");
    assert!(
        refused.ends_with(r#"{"detail":"too many connections"}"#),
        "{refused}"
    );

    let metrics = daemon.ask("/metrics").await.body;
    let rejected = |reason: &str| {
        let series = format!(
            "budgetd_http_connections_rejected_total{{listener=\"api\",reason=\"{reason}\"}}"
        );
        sample(&metrics, &series)
    };
    assert!(rejected("reserve") >= 7.0 + 64.0);
    assert!(rejected("overflow") >= 1.0);

    drop(seats);
    wait::until("there is room again", wait::PATIENCE, async || {
        let answer = daemon.get("/").await.ok()?;
        (answer.code == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_files_accepting_pauses_and_goes_on() {
    let mut daemon = DaemonOptions::default().open_files(64).serve().await;
    let too_low = &daemon.lines_of("file_limit_too_low")[0];
    assert_eq!(too_low["limit"], 64);
    let hint = too_low["message"].as_str().unwrap();
    assert!(
        hint.contains("LimitNOFILE=") && hint.contains("ulimit -n"),
        "{hint}"
    );

    let mut clients = Vec::new();
    wait::until("accepting is paused", wait::PATIENCE, async || {
        for _ in 0..16 {
            clients.push(connect(daemon.api()).await);
        }
        daemon.lines_of("accept_paused").into_iter().next()
    })
    .await;
    drop(clients);
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    daemon.event("accept_resumed").await;
    assert_eq!(daemon.ask("/health/live").await.code, 200);
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
}
