//! Loss and return of what the daemon needs, while it serves.

use futures_util::future::join_all;
use rustix::process::Signal;
use tokio_postgres::NoTls;

use crate::support::{
    Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, PgBouncer, Postgres, PostgresOptions, Redis,
    RedisOptions, wait,
};

/// Deadlines short enough to see silence soon.
const HASTY: &str = r#"
[checks]
interval = "100ms"
fast_interval = "20ms"
max_backoff = "100ms"
connect_timeout = "400ms"
timeout = "400ms"
"#;

/// What holds whenever something required is lost.
async fn assert_unavailable(daemon: &Daemon) {
    let refused = daemon.get("/api/v1/budgets").await.unwrap();
    assert_eq!(refused.code, 503);
    let retry: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&retry), "retry after {retry}");
    assert_eq!(refused.header("content-type"), Some("application/json"));
    assert!(refused.json()["detail"].is_string());

    let ready = daemon.get("/health/ready").await.unwrap();
    assert_eq!(
        (ready.code, &ready.json()["status"]),
        (503, &"unavailable".into())
    );
    for path in ["/health", "/health/live", "/health/startup", "/"] {
        assert_eq!(daemon.get(path).await.unwrap().code, 200, "{path}");
    }
    for path in ["/health", "/health/live", "/status", "/metrics"] {
        assert_eq!(daemon.ask(path).await.code, 200, "{path}");
    }
}

#[tokio::test]
async fn a_killed_database_makes_the_api_unavailable_until_it_is_back() {
    let mut postgres = Postgres::start().await;
    // Checked so seldom that only the end of the session can tell.
    let mut daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"1h\"")
        .database(&postgres.url())
        .serve()
        .await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    assert_eq!(daemon.get("/api/v1/budgets").await.unwrap().code, 404);

    postgres.kill().await;
    assert_eq!(daemon.until_overall("unavailable").await, 503);
    assert_unavailable(&daemon).await;
    let check = daemon.until_status("database", "error").await;
    assert_eq!(check["error_kind"], "refused");

    postgres.restart_same_port().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    assert_eq!(daemon.get("/api/v1/budgets").await.unwrap().code, 404);
    daemon
        .assert_transitions("database", &["ready", "failing", "down", "recovered"])
        .await;
    let down = daemon.nth_event("database_health_check_failed", 1).await;
    assert_eq!(
        (&down["level"], &down["policy"]),
        (&"error".into(), &"required".into())
    );
    assert!(down["hint"].as_str().unwrap().contains("postgresql"));
    let back = daemon.nth_event("database_health_check_success", 1).await;
    assert_eq!(back["transition"], "recovered");
    assert_eq!(daemon.lines_of("listener_opened").len(), 1);
    assert!(daemon.lines_of("listener_closed").is_empty());
}

#[tokio::test]
async fn a_killed_cache_degrades_until_it_is_back() {
    let mut redis = Redis::start().await;
    let daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"1h\"")
        .cache(&redis.url())
        .serve()
        .await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    redis.kill().await;
    assert_eq!(daemon.until_overall("degraded").await, 200);
    assert_eq!(daemon.get("/api/v1/budgets").await.unwrap().code, 404);
    let check = daemon.until_status("cache", "error").await;
    assert_eq!(check["initialized"], true);
    let statistics = daemon.get("/health/cache").await.unwrap().json();
    assert_eq!(statistics["status"], "error");

    redis.restart_same_port().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    let statistics = daemon.get("/health/cache").await.unwrap().json();
    assert_eq!(statistics["status"], "enabled");
}

#[tokio::test]
async fn a_frozen_database_is_seen_and_nobody_waits_for_it() {
    let postgres = Postgres::start().await;
    let mut daemon = DaemonOptions::default()
        .config(HASTY)
        .database(&postgres.url())
        .serve()
        .await;
    postgres.freeze();
    assert_eq!(daemon.until_overall("unavailable").await, 503);
    assert_unavailable(&daemon).await;
    let check = daemon.until_status("database", "error").await;
    assert_eq!(check["error_kind"], "timeout");
    let told = daemon.event("database_health_check_timeout").await;
    assert_eq!(told["transition"], "failing");

    postgres.thaw();
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_frozen_cache_is_seen_and_nobody_waits_for_it() {
    let redis = Redis::start().await;
    let daemon = DaemonOptions::default()
        .config(HASTY)
        .cache(&redis.url())
        .variable("REDIS_SOCKET_TIMEOUT", "0.4")
        .variable("REDIS_CONNECT_TIMEOUT", "0.4")
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    redis.freeze();
    assert_eq!(daemon.until_overall("degraded").await, 200);
    let check = daemon.until_status("cache", "error").await;
    assert_eq!(check["error_kind"], "timeout");
    redis.thaw();
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_session_that_the_peer_closes_is_no_failure() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let daemon = DaemonOptions::default()
        .config(&format!(
            r#"
            [checks]
            interval = "1h"

            [dependencies.watched]
            kind = "redis"
            url = "redis://localhost:{}"
            "#,
            proxy.port()
        ))
        .serve()
        .await;
    daemon.until_status("watched", "ok").await;
    for round in 2..=4 {
        proxy.cut();
        // The loss is answered by a check over a new session.
        wait::until("a new session", PATIENCE, async || {
            let attempts = daemon.status_of("watched").await["attempts"].clone();
            (attempts == round && proxy.open() == 1).then_some(())
        })
        .await;
    }
    assert_eq!(proxy.accepted(), 4);
    daemon.assert_transitions("watched", &["ready"]).await;
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_database_killed_behind_its_pooler_is_seen() {
    let mut postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres).await;
    let daemon = DaemonOptions::default()
        .config(HASTY)
        .database(&pooler.url())
        .serve()
        .await;
    postgres.kill().await;
    assert_eq!(daemon.until_overall("unavailable").await, 503);
    assert_unavailable(&daemon).await;
    postgres.restart_same_port().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_full_database_is_a_note_while_the_open_session_answers() {
    let postgres = PostgresOptions::default()
        .setting("max_connections", "4")
        .setting("superuser_reserved_connections", "0")
        .setting("max_wal_senders", "0")
        .start()
        .await;
    let daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .serve()
        .await;
    let guests = join_all((0..3).map(|_| guest(postgres.url()))).await;
    // Someone wants to know, over a new session as well.
    daemon.signal(Signal::USR1);
    let noted = wait::until("a note", PATIENCE, async || {
        let check = daemon.status_of("database").await;
        check["note"].is_string().then_some(check)
    })
    .await;
    assert_eq!(noted["status"], "ok");
    let note = noted["note"].as_str().unwrap();
    assert!(note.contains("a fresh session failed"), "{note}");
    assert!(
        note.contains("53300") || note.contains("too many"),
        "{note}"
    );
    let metrics = daemon.ask("/metrics").await.body;
    let counted =
        "budgetd_session_renewal_failures_total{dependency=\"database\",error_kind=\"not_ready\"}";
    assert!(metrics.contains(counted), "{metrics}");

    drop(guests);
    wait::until("the note is gone", PATIENCE, async || {
        daemon.signal(Signal::USR1);
        let check = daemon.status_of("database").await;
        check["note"].is_null().then_some(())
    })
    .await;
    daemon.assert_transitions("database", &["ready"]).await;
    assert_eq!(daemon.until_overall("ok").await, 200);
}

/// Takes one of the server's connections; waits for a free one.
async fn guest(url: String) -> impl Sized {
    wait::until("a free connection", PATIENCE, async || {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.ok()?;
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move { connection.await.ok() });
        Some((client, task))
    })
    .await
}

#[tokio::test]
async fn a_password_that_changed_is_told_apart() {
    let mut redis = Redis::start().await;
    let daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    redis.options().password = Some("changed".into());
    redis.restart_same_port().await;
    let check = wait::until("it is refused", PATIENCE, async || {
        let check = daemon.status_of("cache").await;
        (check["status"] == "error" && check["error_kind"] == "auth").then_some(check)
    })
    .await;
    let hint = check["hint"].as_str().unwrap();
    assert!(hint.contains("correct user and password"), "{hint}");
    redis.options().password = None;
    redis.restart_same_port().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_server_that_loads_its_data_is_not_ready() {
    // Compressed, all of it would be read in one go.
    let mut redis = RedisOptions::default()
        .setting("rdbcompression", "no")
        .start()
        .await;
    let value = "x".repeat(200);
    for key in 0..200 {
        let key = format!("key-{key}");
        redis.command(&["SET", &key, &value]).await;
    }
    redis.command(&["SAVE"]).await;
    let daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    // Microseconds for each key, and bytes after which it listens again.
    let options = std::mem::take(redis.options());
    *redis.options() = options
        .setting("key-load-delay", "10000")
        .setting("loading-process-events-interval-bytes", "1024");
    redis.restart_same_port().await;
    wait::until("it is seen loading", PATIENCE, async || {
        let check = daemon.status_of("cache").await;
        (check["error_kind"] == "not_ready").then_some(())
    })
    .await;
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_apart() {
    let daemon = DaemonOptions::default()
        .brisk()
        .cache("redis://nowhere.invalid:6379/0")
        .serve()
        .await;
    let check = daemon.until_status("cache", "error").await;
    assert_eq!(check["error_kind"], "dns");
    assert_eq!(daemon.until_overall("degraded").await, 200);
}

#[tokio::test]
async fn the_process_ends_on_a_loss_when_it_is_told_to() {
    let mut redis = Redis::start().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config("[lifecycle]\non_required_loss = \"exit\"")
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true")
        .serve()
        .await;
    redis.kill().await;
    assert_eq!(daemon.exit().await, 69);
    let stderr = daemon.stderr();
    for word in [
        "cannot go on without cache",
        "connection refused",
        "systemctl start redis-server",
        "on_required_loss",
    ] {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
    for event in [
        "drain_begin",
        "drain_complete",
        "application_shutdown_complete",
    ] {
        assert_eq!(daemon.lines_of(event).len(), 1, "{event}");
    }
}

#[tokio::test]
async fn leaving_on_a_loss_takes_two_signals_to_cut_short() {
    let mut redis = Redis::start().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config("[lifecycle]\non_required_loss = \"exit\"")
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "5m")
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true")
        .serve()
        .await;
    redis.kill().await;
    daemon.event("drain_begin").await;
    // The service manager's own stop is no second one.
    daemon.signal(Signal::TERM);
    for _ in 0..5 {
        assert_eq!(daemon.until_overall("draining").await, 503);
    }
    assert!(daemon.exit_now().is_none());
    daemon.signal(Signal::INT);
    // Which of two signals came first is not told when both wait: signal(7).
    assert!([130, 143].contains(&daemon.exit().await));
}

#[tokio::test]
async fn an_optional_loss_never_ends_the_process() {
    let mut redis = Redis::start().await;
    let daemon = DaemonOptions::default()
        .brisk()
        .config("[lifecycle]\non_required_loss = \"exit\"")
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    redis.kill().await;
    assert_eq!(daemon.until_overall("degraded").await, 200);
    daemon.until_checked("cache", 3).await;
}

#[tokio::test]
async fn a_request_that_sees_an_error_makes_the_daemon_look() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"1h\"\nfast_interval = \"20ms\"")
        .cache(&format!("redis://localhost:{}", proxy.port()))
        .variable("REDIS_SOCKET_TIMEOUT", "0.3")
        .variable("REDIS_CONNECT_TIMEOUT", "0.3")
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    proxy.set(Mode::Stall).await;
    let statistics = daemon.get("/health/cache").await.unwrap().json();
    assert_eq!(statistics["status"], "error");
    assert_eq!(statistics["error_kind"], "timeout");
    daemon.until_status("cache", "error").await;
}

#[tokio::test]
async fn whoever_asks_often_makes_one_check() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"1h\"\ntimeout = \"20s\"\nconnect_timeout = \"20s\"")
        .cache(&format!("redis://localhost:{}", proxy.port()))
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    proxy.set(Mode::Stall).await;
    let storm = (0..50).map(|_| daemon.post("/check/cache"));
    for answer in join_all(storm).await {
        assert_eq!(answer.code, 202);
    }
    proxy.set(Mode::Pass).await;
    daemon.until_status("cache", "ok").await;
    wait::until("it was checked", PATIENCE, async || {
        (daemon.status_of("cache").await["attempts"] == 2).then_some(())
    })
    .await;
}

/// Longer than what the daemon takes for a busy machine.
async fn pause(daemon: &Daemon) {
    daemon.signal(Signal::STOP);
    // This is about time that passes, so some has to.
    tokio::time::sleep(std::time::Duration::from_millis(4_500)).await;
    daemon.signal(Signal::CONT);
}

#[tokio::test]
async fn a_paused_daemon_blames_nobody() {
    let (redis, postgres) = (Redis::start().await, Postgres::start().await);
    let mut daemon = DaemonOptions::default()
        .config(HASTY)
        .database(&postgres.url())
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_overall("ok").await;
    pause(&daemon).await;
    let gap = daemon.event("clock_gap").await;
    assert!(gap["gap_ms"].as_f64().unwrap() > 3_000.0);
    daemon.until_checked("database", 5).await;
    daemon.until_checked("cache", 5).await;
    daemon.assert_transitions("database", &["ready"]).await;
    daemon.assert_transitions("cache", &["ready"]).await;
    assert!(daemon.lines_of("probe_restarted").is_empty());
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_pause_does_not_count_against_a_start_deadline() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true")
        .config("[dependencies.cache]\nstartup_deadline = \"4s\"")
        .start();
    daemon.event("application_startup_begin").await;
    pause(&daemon).await;
    daemon.event("clock_gap").await;
    redis.restart_same_port().await;
    daemon.event("application_startup_complete").await;
}
