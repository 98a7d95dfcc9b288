//! What the gate waits for, and what it does not.

use crate::support::{
    Answer, AuthApi, DaemonOptions, FaultProxy, Mode, PgBouncer, Port, Postgres, PostgresOptions,
    Redis,
};

#[tokio::test]
async fn an_optional_cache_that_is_down_holds_nobody_up_and_joins_later() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .serve()
        .await;
    let (code, document) = daemon.readiness().await;
    assert_eq!((code, &document["status"]), (200, &"degraded".into()));
    assert_eq!(document["checks"]["cache"]["enabled"], true);
    assert_eq!(document["checks"]["cache"]["initialized"], false);
    let down = daemon.until_status("cache", "error").await;
    assert_eq!(down["error_kind"], "refused");
    assert_eq!(daemon.get("/").await.unwrap().code, 200);

    redis.restart_same_port().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    let ready = daemon.event("cache_initialization_success").await;
    assert_eq!(ready["transition"], "ready");
    assert_eq!(ready["previous"], "error");
    assert!(daemon.place("cache_setup_configured") < daemon.place("application_startup_complete"));
    daemon
        .assert_transitions("cache", &["failing", "down", "ready"])
        .await;
}

#[tokio::test]
async fn an_optional_cache_that_is_silent_is_not_waited_for() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    proxy.set(Mode::Stall).await;
    let mut daemon = DaemonOptions::default()
        .cache(&format!("redis://localhost:{}", proxy.port()))
        .variable("REDIS_SOCKET_TIMEOUT", "300")
        .variable("REDIS_CONNECT_TIMEOUT", "300")
        .serve()
        .await;
    // Its first check is still under way: unknown is never up.
    daemon.until_status("cache", "starting").await;
    assert_eq!(daemon.until_overall("degraded").await, 200);
    assert_eq!(daemon.get("/").await.unwrap().code, 200);
    let statistics = daemon.get("/health/cache").await.unwrap().json();
    assert_eq!(statistics["status"], "error");
    proxy.set(Mode::Pass).await;
    daemon.event("cache_initialization_success").await;
    daemon.assert_transitions("cache", &["ready"]).await;
}

#[tokio::test]
async fn a_required_cache_gates() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true")
        .start();
    daemon.open().await;
    daemon.until_status("cache", "error").await;
    let (code, document) = daemon.readiness().await;
    assert_eq!((code, &document["status"]), (503, &"starting".into()));
    daemon.get("/health").await.unwrap_err();

    redis.restart_same_port().await;
    daemon.event("application_startup_complete").await;
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
}

#[tokio::test]
async fn a_startup_dependency_gates_once_and_then_only_degrades() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .config("[dependencies.cache]\npolicy = \"startup\"")
        .start();
    daemon.open().await;
    daemon.until_status("cache", "error").await;
    assert_eq!(daemon.until_overall("starting").await, 503);
    daemon.get("/health").await.unwrap_err();

    redis.restart_same_port().await;
    daemon.event("application_startup_complete").await;
    assert_eq!(daemon.until_overall("ok").await, 200);

    redis.kill().await;
    assert_eq!(daemon.until_overall("degraded").await, 200);
    assert_eq!(daemon.get("/api/v1/x").await.unwrap().code, 404);
}

#[tokio::test]
async fn an_optional_auth_api_may_do_what_it_likes() {
    for answer in [
        Answer::Silence,
        Answer::Cut,
        Answer::Status(500),
        Answer::Status(404),
    ] {
        let auth = AuthApi::start().await;
        auth.set(answer.clone());
        let daemon = DaemonOptions::default()
            .brisk()
            .variable("SUPABASE_URL", &auth.url())
            .serve()
            .await;
        let (code, document) = daemon.readiness().await;
        assert_eq!(
            (code, &document["status"]),
            (200, &"degraded".into()),
            "{answer:?}"
        );
        auth.set(Answer::Healthy);
        auth.cut();
        assert_eq!(daemon.until_overall("ok").await, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn a_gateway_that_wants_a_key_is_reachable() {
    let auth = AuthApi::start().await;
    auth.set(Answer::Unauthorized);
    let daemon = DaemonOptions::default()
        .variable("SUPABASE_URL", &auth.url())
        .serve()
        .await;
    let check = daemon.until_status("supabase_auth", "ok").await;
    assert_eq!(check["note"], "Service reachable (requires auth)");
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn a_required_auth_api_gates() {
    let auth = AuthApi::start().await;
    auth.set(Answer::Status(500));
    let mut daemon = DaemonOptions::default()
        .brisk()
        .variable("SUPABASE_URL", &auth.url())
        .variable("SUPABASE_AUTH_REQUIRED", "true")
        .start();
    daemon.open().await;
    let down = daemon.until_status("supabase_auth", "error").await;
    assert_eq!(down["error_kind"], "not_ready");
    daemon.get("/health").await.unwrap_err();

    auth.set(Answer::Healthy);
    daemon.event("application_startup_complete").await;
    let lines = daemon.lines_of("supabase_auth_check_failed");
    let told: Vec<_> = lines.iter().map(|line| &line["transition"]).collect();
    assert_eq!(told, ["failing", "down"]);
    daemon.event("supabase_auth_check_success").await;
}

#[tokio::test]
async fn a_pooler_may_stand_in_front_of_the_database() {
    let postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres).await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&pooler.url())
        .serve()
        .await;
    // The existing deployment tells its driver of the pooler in the URL.
    let warning = daemon.event("config_warning").await;
    assert!(warning["message"].as_str().unwrap().contains("`pgbouncer`"));
    daemon.until_checked("database", 5).await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    daemon.assert_transitions("database", &["ready"]).await;
}

#[tokio::test]
async fn a_standby_gates_until_it_is_promoted() {
    let postgres = PostgresOptions::default().standby().start().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .start();
    daemon.open().await;
    let standby = daemon.until_status("database", "error").await;
    assert_eq!(standby["error_kind"], "not_ready");
    daemon.get("/health").await.unwrap_err();

    postgres.execute("SELECT pg_promote()").await;
    daemon.event("application_startup_complete").await;
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn what_needs_something_that_is_down_is_not_even_asked() {
    let (mut needed, redis) = (Redis::start().await, Redis::start().await);
    needed.stop().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let options = DaemonOptions::default().brisk().config(&format!(
        r#"
        [dependencies.base]
        kind = "redis"
        url = "{}"
        policy = "required"

        [dependencies.top]
        kind = "redis"
        url = "redis://localhost:{}"
        policy = "required"
        needs = ["base"]
        "#,
        needed.url(),
        proxy.port(),
    ));
    let mut daemon = options.start();
    daemon.open().await;
    daemon.until_checked("base", 5).await;
    let blocked = daemon.until_status("top", "blocked").await;
    assert_eq!(blocked["blocked_by"], "base");
    assert_eq!(proxy.accepted(), 0);
    let told = daemon.event("dependency_blocked").await;
    assert_eq!(
        (&told["dependency"], &told["blocked_by"]),
        (&"top".into(), &"base".into())
    );

    needed.restart_same_port().await;
    daemon.event("application_startup_complete").await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    daemon
        .assert_transitions("top", &["blocked", "ready"])
        .await;

    // The loss of what it needs blocks it again, whatever its own server says;
    // one answer after the return is enough.
    needed.kill().await;
    let blocked = daemon.until_status("top", "blocked").await;
    assert_eq!(blocked["blocked_by"], "base");
    assert_eq!(daemon.until_overall("unavailable").await, 503);
    needed.restart_same_port().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    daemon
        .assert_transitions("top", &["blocked", "ready", "blocked", "recovered"])
        .await;
}

#[tokio::test]
async fn the_clock_of_a_deadline_stands_still_while_blocked() {
    let (mut needed, redis) = (Redis::start().await, Redis::start().await);
    needed.stop().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .config(&format!(
            r#"
            [dependencies.base]
            kind = "redis"
            url = "{}"
            policy = "required"
            startup_deadline = "never"

            [dependencies.top]
            kind = "redis"
            url = "{}"
            policy = "required"
            needs = ["base"]
            startup_deadline = "400ms"
            "#,
            needed.url(),
            redis.url(),
        ))
        .start();
    daemon.open().await;
    // At least 18 ms apart: well past the deadline of the other.
    daemon.until_checked("base", 30).await;
    assert_eq!(
        daemon.until_status("top", "blocked").await["blocked_by"],
        "base"
    );
    needed.restart_same_port().await;
    daemon.event("application_startup_complete").await;
}

#[tokio::test]
async fn nothing_that_gates_opens_at_once() {
    let nowhere = Port::reserve();
    let mut daemon = DaemonOptions::default()
        .config(&format!(
            "[dependencies.other]\nkind = \"tcp\"\nurl = \"tcp://localhost:{}\"\npolicy = \"optional\"",
            nowhere.number()
        ))
        .start();
    daemon.event("application_startup_complete").await;
    assert_eq!(daemon.until_overall("degraded").await, 200);
}
