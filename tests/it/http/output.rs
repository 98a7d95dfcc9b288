//! A log that nobody reads.

use std::io::pipe;

use rustix::process::Signal;

use super::{codes, sample};
use crate::support::{DaemonOptions, client, wait};

#[tokio::test]
async fn a_stalled_stdout_stalls_nothing_and_lines_are_counted() {
    let (reader, writer) = pipe().unwrap();
    let mut daemon = DaemonOptions::default()
        // Libraries talk a lot at this level.
        .variable("BUDGETD__LOG__LEVEL", "trace")
        .start_with_stdout(writer);
    daemon.open().await;
    let many = "GET / HTTP/1.1\r\nhost: t\r\n\r\n".repeat(500);
    let many = format!("{many}GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    wait::until("it serves", wait::PATIENCE, async || {
        daemon.get("/").await.ok()
    })
    .await;
    let dropped = wait::until("lines are dropped", wait::PATIENCE * 3, async || {
        let answers = client::raw(daemon.api(), &many).await;
        assert_eq!(codes(&answers), ["200"; 501]);
        assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
        let metrics = daemon.ask("/metrics").await.body;
        let dropped = sample(&metrics, "budgetd_log_lines_dropped_total");
        (dropped > 0.0).then_some(dropped)
    })
    .await;
    assert!(dropped >= 1.0);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    drop(reader);
}

#[tokio::test]
async fn a_closed_stdout_is_no_reason_to_stop() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut daemon = DaemonOptions::default().start_with_stdout(writer);
    daemon.open().await;
    wait::until("it serves", wait::PATIENCE, async || {
        let answer = daemon.get("/").await.ok()?;
        (answer.code == 200).then_some(())
    })
    .await;
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::USR1);
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    assert_eq!(daemon.stderr(), "");
}

#[tokio::test]
async fn the_log_is_text_for_people_when_it_is_told_to() {
    let mut daemon = DaemonOptions::default()
        .variable("BUDGETD__LOG__FORMAT", "pretty")
        .start();
    daemon.open().await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit().await, 0);
    let text = daemon.stdout();
    assert!(
        text.contains("event=\"application_startup_begin\""),
        "{text}"
    );
    assert!(!text.contains('{') && !text.contains('\u{1b}'), "{text}");
}
