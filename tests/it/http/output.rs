//! A log that nobody reads, or that has no room left.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeWriter, pipe};

use rustix::process::Signal;
use serde_json::Value;

use super::{codes, sample};
use crate::support::{Daemon, DaemonOptions, assert_catalogued, client, wait};

async fn lost_lines(daemon: &Daemon) -> f64 {
    let metrics = daemon.ask("/metrics").await.body;
    sample(&metrics, "budgetd_log_lines_dropped_total")
}

/// Waits until the API answers, and until lines have been lost.
async fn serves_and_counts(daemon: &Daemon) {
    wait::until("it serves and lines are lost", wait::PATIENCE, async || {
        let answer = daemon.get("/").await.ok()?;
        assert_eq!(answer.code, 200);
        (lost_lines(daemon).await > 0.0).then_some(())
    })
    .await;
}

/// A daemon whose stdout nobody reads, and that has lost lines by that.
async fn stalled(writer: PipeWriter) -> Daemon {
    let mut daemon = DaemonOptions::default()
        // Libraries talk a lot at this level.
        .variable("BUDGETD__LOG__LEVEL", "trace")
        .start_with_stdout(writer);
    daemon.open().await;
    wait::until("it serves", wait::PATIENCE, async || {
        daemon.get("/").await.ok()
    })
    .await;
    let many = "GET / HTTP/1.1\r\nhost: t\r\n\r\n".repeat(500);
    let many = format!("{many}GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
    wait::until("lines are lost", wait::PATIENCE * 3, async || {
        let answers = client::raw(daemon.api(), &many).await;
        assert_eq!(codes(&answers), ["200"; 501]);
        assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
        (lost_lines(&daemon).await > 0.0).then_some(())
    })
    .await;
    daemon
}

#[tokio::test]
async fn a_stalled_stdout_stalls_nothing_and_lines_are_counted() {
    let (reader, writer) = pipe().unwrap();
    let mut daemon = stalled(writer).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    drop(reader);
}

#[tokio::test]
async fn whoever_reads_on_is_told_how_many_lines_are_missing() {
    let (reader, writer) = pipe().unwrap();
    let mut daemon = stalled(writer).await;
    let lost = lost_lines(&daemon).await;
    // Lines are whole, and one tells of the gap.
    let mut told = None;
    for line in BufReader::new(reader).lines() {
        let line = line.unwrap();
        assert_catalogued(&line);
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["event"] == "log_lines_lost" {
            assert!(line["total"].as_f64().unwrap() >= lost, "{line}");
            told = Some(line);
            break;
        }
    }
    assert_eq!(told.unwrap()["level"], "warn");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
}

#[tokio::test]
async fn a_closed_stdout_is_no_reason_to_stop() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let mut daemon = DaemonOptions::default().start_with_stdout(writer);
    daemon.open().await;
    serves_and_counts(&daemon).await;
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::USR1);
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    assert_eq!(daemon.stderr(), "");
}

#[tokio::test]
async fn a_full_disk_is_no_reason_to_stop() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut daemon = DaemonOptions::default().start_with_stdout(full);
    daemon.open().await;
    serves_and_counts(&daemon).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    assert_eq!(daemon.stderr(), "");
}

/// A limit of the file's size stands for a disk that fills up in the middle of
/// a line and is cleared later.
#[tokio::test]
async fn lines_are_whole_again_once_there_is_room() {
    let mut daemon = DaemonOptions::default().file_size(2_000).start();
    daemon.open().await;
    serves_and_counts(&daemon).await;
    let full = daemon.stdout();
    assert_eq!(full.len(), 2_000);
    assert!(!full.ends_with('\n'), "the limit cuts no line: {full}");
    daemon.lift_file_size();
    daemon.signal(Signal::USR1);
    wait::until("the gap is told of", wait::PATIENCE, async || {
        daemon.stdout().contains("log_lines_lost").then_some(())
    })
    .await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    // One line is cut short, and it takes no other with it.
    let text = daemon.stdout();
    let parsed: Vec<Result<Value, _>> = text.lines().map(serde_json::from_str).collect();
    let torn = parsed.iter().filter(|line| line.is_err()).count();
    assert_eq!(torn, 1, "{text}");
    let of = |event: &str| parsed.iter().flatten().find(|line| line["event"] == event);
    assert!(of("status_dump").is_some(), "{text}");
    assert!(of("log_lines_lost").unwrap()["lines"].as_u64().unwrap() >= 1);
    let last = parsed.last().unwrap().as_ref().unwrap();
    assert_eq!(last["event"], "application_shutdown_complete");
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
