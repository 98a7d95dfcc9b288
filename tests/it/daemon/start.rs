//! From the start of the process to the first answer of the API.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::OFlags;
use rustix::process::Signal;

use crate::support::{AuthApi, Daemon, DaemonOptions, PATIENCE, Postgres, Redis, wait};

/// Waits until someone reads the pipe, and opens it for writing.
async fn reader_of(pipe: &Path) -> File {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    wait::until("the pipe is read", PATIENCE, async || {
        // Nobody reads: ENXIO, fifo(7).
        let opened = File::options().write(true).custom_flags(flags).open(pipe);
        opened.ok()
    })
    .await
}

/// A daemon whose configuration file is a pipe, which it reads for as long as
/// the test wants, with the pipe's other end.
async fn reading() -> (Daemon, File) {
    let options = DaemonOptions::default();
    let pipe = options.config_file();
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let daemon = options.start_as_it_is();
    (daemon, reader_of(&pipe).await)
}

#[tokio::test]
async fn a_signal_while_the_configuration_is_read_is_honoured() {
    let (mut daemon, mut configuration) = reading().await;
    daemon.signal(Signal::HUP);
    daemon.signal(Signal::USR1);
    configuration
        .write_all(b"[log]\nlevel = \"info\"\n")
        .unwrap();
    drop(configuration);

    daemon.event("application_startup_complete").await;
    drop(reader_of(&daemon.options().config_file()).await);
    daemon.event("config_reloaded").await;
    daemon.event("status_dump").await;
}

#[tokio::test]
async fn a_stop_waits_for_no_file() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut daemon, _unwritten) = reading().await;
        daemon.signal(Signal::HUP);
        daemon.signal(signal);
        assert_eq!(daemon.exit_within(PATIENCE).await, 0);

        let (mut daemon, configuration) = reading().await;
        drop(configuration);
        daemon.event("application_startup_complete").await;
        daemon.signal(Signal::HUP);
        let _unwritten = reader_of(&daemon.options().config_file()).await;
        daemon.signal(signal);
        assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    }
}

#[tokio::test]
async fn it_serves_once_everything_it_needs_is_up() {
    let mut database = Postgres::start().await;
    let redis = Redis::start().await;
    let auth = AuthApi::start().await;
    database.stop().await;
    let mut daemon = DaemonOptions::default()
        .database(&database.url())
        .cache(&redis.url())
        .variable("SUPABASE_URL", &auth.url())
        .start();
    daemon.open().await;
    daemon.until_status("cache", "ok").await;
    let down = daemon.until_status("database", "error").await;
    assert_eq!(down["error_kind"], "refused");

    let (code, document) = daemon.readiness().await;
    assert_eq!((code, &document["status"]), (503, &"starting".into()));
    assert_eq!(daemon.ask("/health/startup").await.code, 503);
    assert_eq!(daemon.ask("/health/live").await.code, 200);
    let refused = daemon.get("/health").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    database.restart_same_port().await;
    daemon.event("application_startup_complete").await;
    let ready = daemon.get("/health/ready").await.unwrap();
    assert_eq!((ready.code, &ready.json()["status"]), (200, &"ok".into()));
    assert_eq!(daemon.get("/health/startup").await.unwrap().code, 200);

    let events: Vec<String> = daemon
        .lines()
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect();
    let place = |event: &str| events.iter().position(|e| e == event).unwrap();
    assert_eq!(place("application_startup_begin"), 0);
    assert!(place("database_health_check_success") < place("listener_opened"));
    assert_eq!(
        place("listener_opened") + 1,
        place("application_startup_complete")
    );
}
