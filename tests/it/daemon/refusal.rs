//! How the daemon does not start: it says why, and leaves nothing behind.

use std::io::ErrorKind;
use std::process::Output;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Port, Redis, RedisOptions, client, wait,
};

/// Polls the API's address until the daemon ends: every connect is refused.
async fn refused_until_exit(daemon: &mut Daemon) -> i32 {
    let port = daemon.api();
    let code = wait::until("the daemon ends", PATIENCE, async || {
        let error = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        daemon.exit_now()
    });
    code.await
}

fn dependency(name: &str, url: &str, more: &str) -> String {
    let kind = url.split(':').next().unwrap();
    format!(
        "[dependencies.{name}]\nkind = \"{kind}\"\nurl = \"{url}\"\npolicy = \"required\"\n{more}"
    )
}

#[tokio::test]
async fn past_its_deadline_a_missing_dependency_ends_the_process() {
    let nowhere = Port::reserve();
    let url = format!("redis://user:pass-4711@localhost:{}/0", nowhere.number());
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config(&dependency("store", &url, "startup_deadline = \"400ms\""))
        .start();
    assert_eq!(refused_until_exit(&mut daemon).await, 69);

    let failed = daemon.lines_of("application_failed");
    let [line] = failed.as_slice() else {
        panic!("it failed {} times", failed.len());
    };
    assert_eq!(line["level"], "error");
    for text in [line["error"].as_str().unwrap(), &daemon.stderr()] {
        for word in [
            "store",
            "startup_deadline of 400ms",
            "connection refused",
            "tried",
            "times",
            "systemctl start redis-server",
        ] {
            assert!(text.contains(word), "no {word:?} in {text}");
        }
    }
    let tries: u32 = line["error"]
        .as_str()
        .and_then(|text| text.split("tried ").nth(1)?.split(' ').next()?.parse().ok())
        .unwrap();
    assert!(tries > 3, "tried {tries} times");
    assert!(daemon.lines_of("listener_opened").is_empty());
    assert_eq!(
        daemon.lines().last().unwrap()["event"],
        "application_shutdown_complete"
    );
    assert!(!daemon.everything().contains("pass-4711"));
}

#[tokio::test]
async fn silence_past_the_deadline_ends_the_process_in_time() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    proxy.set(Mode::Stall).await;
    let url = format!("redis://localhost:{}", proxy.port());
    let mut daemon = DaemonOptions::default()
        .config("[checks]\nconnect_timeout = \"1m\"\ntimeout = \"1m\"")
        .config(&dependency("store", &url, "startup_deadline = \"300ms\""))
        .start();
    // The check that is under way, far from its own deadline, holds nothing.
    assert_eq!(refused_until_exit(&mut daemon).await, 69);
    assert!(daemon.stderr().contains("it did not answer"));
}

#[tokio::test]
async fn a_wrong_password_at_start_is_told_with_what_to_do() {
    let redis = RedisOptions::default().password("right").start().await;
    let url = format!("redis://:wrong-4711@localhost:{}", redis.port());
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config(&dependency("store", &url, "startup_deadline = \"400ms\""))
        .start();
    assert_eq!(refused_until_exit(&mut daemon).await, 69);
    let stderr = daemon.stderr();
    assert!(stderr.contains("correct user and password"), "{stderr}");
    assert!(!daemon.everything().contains("wrong-4711"));
}

#[tokio::test]
async fn an_address_in_use_is_found_before_anything_is_promised() {
    let first = DaemonOptions::default().serve().await;
    let mut second = DaemonOptions::default()
        .variable(
            "BUDGETD__API__LISTEN",
            &format!("127.0.0.1:{}", first.api()),
        )
        .start();
    assert_eq!(second.exit().await, 71);
    let stderr = second.stderr();
    let port = first.api().to_string();
    for word in ["cannot bind", &port, "api.listen", "ss -ltnp"] {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
    assert_eq!(first.get("/health").await.unwrap().code, 200);

    let mut third = DaemonOptions::default()
        .variable(
            "BUDGETD__ADMIN__LISTEN",
            &format!("127.0.0.1:{}", first.admin()),
        )
        .start();
    assert_eq!(third.exit().await, 71);
    assert!(third.stderr().contains("admin.listen"));
    assert_eq!(first.ask("/health").await.code, 200);
}

#[tokio::test]
async fn of_two_that_wait_for_the_gate_on_one_address_one_lives() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let api = Port::reserve();
    let start = || {
        DaemonOptions::default()
            .brisk()
            .config(&dependency("store", &redis.url(), ""))
            .variable(
                "BUDGETD__API__LISTEN",
                &format!("127.0.0.1:{}", api.number()),
            )
            .start()
    };
    let mut daemons = [start(), start()];
    for daemon in &mut daemons {
        daemon.open().await;
    }
    redis.restart_same_port().await;
    let (loser, code) = wait::until("one of them ends", PATIENCE, async || {
        let mut ended = daemons.iter_mut().map(Daemon::exit_now).enumerate();
        ended.find_map(|(place, code)| Some((place, code?)))
    })
    .await;
    assert_eq!(code, 71);
    assert!(daemons[loser].stderr().contains("cannot listen on"));
    let winner = &mut daemons[1 - loser];
    winner.event("application_startup_complete").await;
    let health = client::get(api.number(), "/health").await.unwrap();
    assert_eq!(health.code, 200);
}

#[tokio::test]
async fn a_socket_path_that_cannot_be_written_is_refused() {
    let mut daemon = DaemonOptions::default()
        .variable("BUDGETD__ADMIN__LISTEN", "unix:/proc/nowhere/admin.sock")
        .start();
    assert_eq!(daemon.exit().await, 71);
    let stderr = daemon.stderr();
    assert!(stderr.contains("/proc/nowhere/admin.sock"), "{stderr}");
    assert!(stderr.contains("admin.listen"), "{stderr}");
}

#[tokio::test]
async fn the_admin_listener_works_on_a_unix_socket() {
    let options = DaemonOptions::default();
    let socket = options.folder().join("admin.sock");
    let listen = format!("unix:{}", socket.display());
    let mut daemon = options
        .variable("BUDGETD__ADMIN__LISTEN", &listen)
        .serve()
        .await;
    let ask = |daemon: &Daemon| -> Output {
        let mut command = daemon.options().command(&["status", "--json"]);
        command.output().unwrap()
    };
    let told = ask(&daemon);
    assert_eq!(told.status.code(), Some(0));
    let status: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(status["status"], "ok");
    assert_eq!(status["pid"], daemon.pid());

    // A second one takes neither the socket nor the place of the first.
    let mut second = DaemonOptions::default()
        .variable("BUDGETD__ADMIN__LISTEN", &listen)
        .start();
    assert_eq!(second.exit().await, 71);
    assert_eq!(ask(&daemon).status.code(), Some(0));

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    assert!(!socket.exists());
    assert_eq!(ask(&daemon).status.code(), Some(69));
}

#[tokio::test]
async fn an_invalid_configuration_starts_nothing() {
    let mut daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"-1s\"\nfall = 0\n[api]\nlisten_on = \"x\"")
        .start();
    assert_eq!(daemon.exit().await, 78);
    for word in ["checks.interval", "checks.fall", "listen_on"] {
        assert!(daemon.stderr().contains(word), "{}", daemon.stderr());
        assert!(daemon.stdout().contains(word), "{}", daemon.stdout());
    }
    assert!(daemon.lines_of("application_startup_begin").is_empty());
}

#[tokio::test]
async fn a_signal_before_the_gate_ends_it_at_once() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let redis = Redis::start().await;
        let proxy = FaultProxy::in_front_of(redis.port()).await;
        proxy.set(Mode::Stall).await;
        let url = format!("redis://localhost:{}", proxy.port());
        let mut daemon = DaemonOptions::default()
            .config("[checks]\nconnect_timeout = \"1m\"\ntimeout = \"1m\"")
            .config("[lifecycle]\ndrain_timeout = \"1m\"")
            .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "1m")
            .config(&dependency("store", &url, ""))
            .start();
        daemon.event("application_startup_begin").await;
        wait::until("a check is under way", PATIENCE, async || {
            (proxy.accepted() > 0).then_some(())
        })
        .await;
        daemon.signal(signal);
        assert_eq!(daemon.exit_within(PATIENCE).await, 0);
        let begin = &daemon.lines_of("application_shutdown_begin")[0];
        assert_eq!(begin["signal"], name);
        assert!(daemon.lines_of("drain_begin").is_empty());
        assert!(daemon.lines_of("listener_opened").is_empty());
        assert_eq!(daemon.lines_of("application_shutdown_complete").len(), 1);
        assert_eq!(daemon.stderr(), "");
    }
}
