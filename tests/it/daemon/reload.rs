//! SIGHUP: another configuration, without a dip.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{BRISK, Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Port, Redis, wait};

/// A table of a Redis on `port`.
fn redis_table(name: &str, port: u16, more: &str) -> String {
    format!("[dependencies.{name}]\nkind = \"redis\"\nurl = \"redis://localhost:{port}\"\n{more}\n")
}

fn required(name: &str, port: u16) -> String {
    redis_table(name, port, "policy = \"required\"")
}

fn optional(name: &str, port: u16) -> String {
    redis_table(name, port, "policy = \"optional\"")
}

impl Daemon {
    fn reload(&self, toml: &str) {
        self.rewrite_config(toml);
        self.signal(Signal::HUP);
    }

    /// Polls readiness on the API, which must be 200 each time, until `look`
    /// finds something.
    async fn ready_until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        wait::until(what, PATIENCE, async || {
            for _ in 0..5 {
                let ready = self.get("/health/ready").await.unwrap();
                assert_eq!(ready.code, 200, "{}", ready.body);
            }
            look().await
        })
        .await
    }

    async fn logged(&self, event: &str) -> Value {
        let what = format!("{event} is logged");
        self.ready_until(&what, async || self.lines_of(event).into_iter().next())
            .await
    }
}

#[tokio::test]
async fn other_settings_keep_status_and_session() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let store = required("store", proxy.port());
    let mut daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"1h\"")
        .config(&store)
        .serve()
        .await;
    let before = daemon.until_status("store", "ok").await;

    daemon.reload(&format!("{BRISK}{store}"));
    let line = daemon.event("config_reloaded").await;
    assert!(
        line["changed"].as_str().unwrap().contains("store"),
        "{line}"
    );
    for field in ["added", "removed", "needs_restart", "hidden"] {
        assert!(line[field].is_null(), "{line}");
    }
    daemon.until_checked("store", 5).await;
    let after = daemon.until_status("store", "ok").await;
    assert_eq!(after["since"], before["since"]);
    assert_eq!(proxy.accepted(), 1);
    daemon.assert_transitions("store", &["ready"]).await;
}

#[tokio::test]
async fn another_address_is_swapped_in_once_it_is_up() {
    let (old, new) = (Redis::start().await, Redis::start().await);
    let before = FaultProxy::in_front_of(old.port()).await;
    let after = FaultProxy::in_front_of(new.port()).await;
    after.set(Mode::Stall).await;
    let daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&required("store", before.port()))
        .serve()
        .await;
    daemon.reload(&format!("{BRISK}{}", required("store", after.port())));
    daemon
        .ready_until("the new one is tried", async || {
            (after.accepted() > 0).then_some(())
        })
        .await;
    // It is not up: the old one counts, and is checked on.
    let url = daemon.status_of("store").await["url"].clone();
    assert!(url.as_str().unwrap().contains(&before.port().to_string()));
    daemon.until_checked("store", 3).await;
    assert!(daemon.lines_of("config_reloaded").is_empty());

    after.set(Mode::Pass).await;
    let line = daemon.logged("config_reloaded").await;
    assert!(
        line["changed"].as_str().unwrap().contains("store"),
        "{line}"
    );
    let url = daemon.status_of("store").await["url"].clone();
    assert!(url.as_str().unwrap().contains(&after.port().to_string()));
    daemon
        .ready_until("the old session is closed", async || {
            (before.open() == 0).then_some(())
        })
        .await;
    // Nothing of the old one is left to fail.
    drop(old);
    daemon.until_checked("store", 5).await;
    assert_eq!(daemon.get("/health/ready").await.unwrap().code, 200);
    daemon
        .assert_transitions("store", &["ready", "ready"])
        .await;
}

#[tokio::test]
async fn an_address_where_nobody_is_fails_the_reload() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let nowhere = Port::reserve();
    let daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&required("store", proxy.port()))
        .serve()
        .await;
    let before = daemon.until_status("store", "ok").await;
    let wrong = redis_table(
        "store",
        nowhere.number(),
        "policy = \"required\"\nstartup_deadline = \"300ms\"",
    );
    daemon.reload(&format!("{BRISK}{wrong}"));
    let failed = daemon.logged("config_reload_failed").await;
    assert_eq!(failed["level"], "error");
    let problems = failed["problems"].as_str().unwrap();
    for word in ["store", "300ms", "refused", &nowhere.number().to_string()] {
        assert!(problems.contains(word), "no {word:?} in {problems}");
    }
    let after = daemon.until_status("store", "ok").await;
    assert_eq!(after["since"], before["since"]);
    assert_eq!(proxy.accepted(), 1);

    // The next one is not the worse for it.
    daemon.reload(&format!("{BRISK}{}", required("store", redis.port())));
    daemon.logged("config_reloaded").await;
    let url = daemon.status_of("store").await["url"].clone();
    assert!(url.as_str().unwrap().contains(&redis.port().to_string()));
}

#[tokio::test]
async fn what_is_invalid_changes_nothing_and_is_told_in_full() {
    let redis = Redis::start().await;
    let store = required("store", redis.port());
    let mut daemon = DaemonOptions::default().config(&store).serve().await;
    daemon.until_status("store", "ok").await;
    let attempts = [
        (
            format!("{store}[checks]\ninterval = \"-1s\"\nfall = 0\n[api]\nbogus = 1\n"),
            vec!["checks.interval", "checks.fall", "bogus", "budgetd.toml"],
        ),
        ("[dependencies.store\n".to_owned(), vec!["budgetd.toml"]),
        (
            format!(
                "{store}needs = [\"other\"]\n{}needs = [\"store\"]",
                required("other", 1)
            ),
            vec!["cycle", "store", "other"],
        ),
    ];
    for (round, (toml, words)) in attempts.iter().enumerate() {
        daemon.reload(toml);
        let failed = daemon.nth_event("config_reload_failed", round).await;
        let problems = failed["problems"].as_str().unwrap();
        for word in words {
            assert!(problems.contains(word), "no {word:?} in {problems}");
        }
    }
    std::fs::remove_file(daemon.options().config_file()).unwrap();
    daemon.signal(Signal::HUP);
    daemon
        .nth_event("config_reload_failed", attempts.len())
        .await;
    daemon.assert_transitions("store", &["ready"]).await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    daemon.reload(&store);
    daemon.event("config_reloaded").await;
}

#[tokio::test]
async fn another_listen_address_needs_a_restart() {
    let options = DaemonOptions::default().addresses_in_file();
    let (other, admin) = (Port::reserve(), options.admin_port());
    let mut daemon = options.serve().await;
    daemon.reload(&format!(
        "[api]\nlisten = \"127.0.0.1:{}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"",
        other.number()
    ));
    let line = daemon.event("config_reloaded").await;
    assert_eq!(line["needs_restart"], "api.listen");
    assert!(
        line["message"]
            .as_str()
            .unwrap()
            .contains("needs a restart")
    );
    assert_eq!(daemon.get("/health").await.unwrap().code, 200);
    crate::support::client::get(other.number(), "/health")
        .await
        .unwrap_err();

    // It still does when it is asked again, until the file is as it was.
    daemon.signal(Signal::HUP);
    let again = daemon.nth_event("config_reloaded", 1).await;
    assert_eq!(again["needs_restart"], "api.listen");
    daemon.reload(&format!(
        "[api]\nlisten = \"127.0.0.1:{}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"",
        daemon.api()
    ));
    let back = daemon.nth_event("config_reloaded", 2).await;
    assert!(back["needs_restart"].is_null(), "{back}");
}

#[tokio::test]
async fn what_the_environment_hides_is_told() {
    let (redis, other) = (Redis::start().await, Port::reserve());
    let mut daemon = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    let url = format!("redis://localhost:{}", other.number());
    daemon.reload(&format!("{BRISK}[dependencies.cache]\nurl = \"{url}\""));
    let line = daemon.event("config_reloaded").await;
    let hidden = line["hidden"].as_str().unwrap();
    assert!(hidden.contains("dependencies.cache.url"), "{hidden}");
    assert!(hidden.contains("REDIS_URL"), "{hidden}");
    daemon.until_checked("cache", 3).await;
    daemon.assert_transitions("cache", &["ready"]).await;
}

#[tokio::test]
async fn before_the_gate_has_opened_a_reload_waits_for_it() {
    let (mut redis, extra) = (Redis::start().await, Redis::start().await);
    redis.stop().await;
    let store = required("store", redis.port());
    let mut daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&store)
        .start();
    daemon.open().await;
    daemon.reload(&format!(
        "{BRISK}{store}{}",
        optional("extra", extra.port())
    ));
    daemon.until_checked("store", 10).await;
    assert!(daemon.lines_of("config_reloaded").is_empty());
    redis.restart_same_port().await;
    daemon.event("config_reloaded").await;
    assert!(daemon.place("application_startup_complete") < daemon.place("config_reloaded"));
    daemon.until_status("extra", "ok").await;
}

#[tokio::test]
async fn dependencies_come_and_go() {
    let servers = [
        Redis::start().await,
        Redis::start().await,
        Redis::start().await,
    ];
    let [first, second, third] = servers.each_ref().map(Redis::port);
    let daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&required("kept", first))
        .config(&optional("off", second))
        .config(&optional("gone", third))
        .serve()
        .await;
    for name in ["kept", "off", "gone"] {
        daemon.until_status(name, "ok").await;
    }
    let metrics = daemon.ask("/metrics").await.body;
    assert!(metrics.contains("budgetd_dependency_up{dependency=\"gone\"} 1"));
    daemon.reload(&format!(
        "{BRISK}{}{}{}",
        required("kept", first),
        redis_table("off", second, "policy = \"disabled\""),
        required("new", third),
    ));
    let line = daemon.logged("config_reloaded").await;
    assert_eq!(line["added"], "new");
    assert_eq!(line["removed"], "gone");
    assert_eq!(line["changed"], "off");
    let (code, document) = daemon.readiness().await;
    assert_eq!((code, &document["status"]), (200, &"ok".into()));
    assert!(document["checks"]["gone"].is_null());
    assert_eq!(document["checks"]["off"]["status"], "disabled");
    assert_eq!(document["checks"]["new"]["status"], "ok");
    daemon.assert_transitions("new", &["ready"]).await;
    // What is gone or off is asked no more, and its series say so.
    wait::until("their sessions are closed", PATIENCE, async || {
        let clients = servers[1]
            .command(&["CLIENT", "LIST", "TYPE", "normal"])
            .await;
        (!clients.contains("127.0.0.1")).then_some(())
    })
    .await;
    let metrics = daemon.ask("/metrics").await.body;
    assert!(metrics.contains("budgetd_dependency_up{dependency=\"gone\"} 0"));

    daemon.reload(&format!(
        "{BRISK}{}{}",
        required("kept", first),
        required("off", second)
    ));
    daemon
        .ready_until("it is back", async || {
            let (_, document) = daemon.readiness().await;
            (document["checks"]["off"]["status"] == "ok").then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_becomes_required_must_be_up_first() {
    let (mut redis, nowhere) = (Redis::start().await, Port::reserve());
    redis.stop().await;
    let daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&optional("store", redis.port()))
        .serve()
        .await;
    daemon.until_status("store", "error").await;
    let impatient = "policy = \"required\"\nstartup_deadline = \"200ms\"";
    daemon.reload(&format!(
        "{BRISK}{}",
        redis_table("store", redis.port(), impatient)
    ));
    let failed = daemon.logged("config_reload_failed").await;
    assert!(failed["problems"].as_str().unwrap().contains("store"));
    assert_eq!(daemon.status_of("store").await["policy"], "optional");

    daemon.reload(&format!("{BRISK}{}", required("store", redis.port())));
    daemon.until_checked("store", 5).await;
    redis.restart_same_port().await;
    daemon.logged("config_reloaded").await;
    assert_eq!(daemon.status_of("store").await["policy"], "required");
    drop(nowhere);
}

#[tokio::test]
async fn a_reload_can_mend_what_is_down() {
    let (mut dead, good) = (Redis::start().await, Redis::start().await);
    let mut daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&required("store", dead.port()))
        .config(&optional("other", dead.port()))
        .serve()
        .await;
    dead.kill().await;
    assert_eq!(daemon.until_overall("unavailable").await, 503);
    daemon.reload(&format!(
        "{BRISK}{}{}",
        required("store", good.port()),
        optional("other", dead.port())
    ));
    daemon.event("config_reloaded").await;
    assert_eq!(daemon.until_overall("degraded").await, 200);
    // Without the rest that is down, all is well.
    daemon.reload(&format!("{BRISK}{}", required("store", good.port())));
    assert_eq!(daemon.until_overall("ok").await, 200);
}

#[tokio::test]
async fn another_log_level_takes_effect() {
    let mut daemon = DaemonOptions::default().serve().await;
    daemon.get("/health").await.unwrap();
    assert!(daemon.lines_of("request_completed").is_empty());
    daemon.reload("[log]\nlevel = \"debug\"");
    daemon.event("config_reloaded").await;
    daemon.get("/health").await.unwrap();
    let line = daemon.event("request_completed").await;
    assert_eq!(line["level"], "debug");
    daemon.reload("[log]\nlevel = \"warn\"");
    wait::until("nothing is told any more", PATIENCE, async || {
        let before = daemon.lines().len();
        daemon.get("/health").await.unwrap();
        (daemon.lines().len() == before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn limits_of_the_api_take_effect() {
    let mut daemon = DaemonOptions::default().serve().await;
    daemon.reload("[api]\ntitle = \"Another title\"\nhealth_details = \"status\"");
    daemon.event("config_reloaded").await;
    let welcome = daemon.get("/").await.unwrap().json();
    assert_eq!(welcome["message"], "Another title");
    let ready = daemon.get("/health/ready").await.unwrap().json();
    assert!(ready["checks"].is_null(), "{ready}");
    let (_, document) = daemon.readiness().await;
    assert!(document["checks"].is_object());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_reload() {
    let (redis, nowhere) = (Redis::start().await, Port::reserve());
    let mut daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&required("store", redis.port()))
        .serve()
        .await;
    let never = "policy = \"required\"\nstartup_deadline = \"never\"";
    daemon.reload(&format!(
        "{BRISK}{}",
        redis_table("store", nowhere.number(), never)
    ));
    daemon.until_checked("store", 3).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    assert!(daemon.lines_of("config_reloaded").is_empty());
    assert!(daemon.lines_of("config_reload_failed").is_empty());
}

#[tokio::test]
async fn reloads_are_one_at_a_time() {
    let servers = [Redis::start().await, Redis::start().await];
    let [first, last] = servers.each_ref().map(Redis::port);
    let proxy = FaultProxy::in_front_of(first).await;
    proxy.set(Mode::Stall).await;
    let mut daemon = DaemonOptions::default()
        .config(BRISK)
        .config(&required("store", first))
        .serve()
        .await;
    daemon.reload(&format!("{BRISK}{}", required("store", proxy.port())));
    wait::until("the first is under way", PATIENCE, async || {
        (proxy.accepted() > 0).then_some(())
    })
    .await;
    // What it asks for is up, but it is not its turn.
    daemon.reload(&format!("{BRISK}{}", required("store", last)));
    daemon.until_checked("store", 5).await;
    assert!(daemon.lines_of("config_reloaded").is_empty());

    proxy.set(Mode::Pass).await;
    daemon.nth_event("config_reloaded", 1).await;
    assert!(daemon.lines_of("config_reload_failed").is_empty());
    let url = daemon.status_of("store").await["url"].clone();
    assert!(url.as_str().unwrap().contains(&last.to_string()), "{url}");
}
