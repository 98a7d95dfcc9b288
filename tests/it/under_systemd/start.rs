//! From `systemctl start` to a unit that is active, or is not.

use serde_json::Value;

use super::{Machine, UNIT};
use crate::support::{DaemonOptions, PATIENCE, Redis, wait};

#[tokio::test]
async fn start_returns_when_the_dependencies_are_up() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let options = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true");
    let machine = Machine::boot(options);
    // Less than the wait takes: what the daemon promises counts.
    machine.edit(UNIT, "[Service]\nTimeoutStartSec=1s").await;
    let starting = machine.systemctl(&["start", "budgetd"]);
    let looking = async {
        let waiting = "waiting for cache: connection refused (attempt ";
        machine.until_sentence(waiting).await;
        // The manager would have given up by now.
        wait::until("two seconds of the deadline pass", PATIENCE, async || {
            let sentence = machine.until_sentence(waiting).await;
            sentence.ends_with(", 28 s left)").then_some(())
        })
        .await;
        assert_eq!(machine.property("ActiveState").await, "activating");
        assert!(machine.get("/health").await.is_err());
        redis.restart_same_port().await;
    };
    let (started, ()) = tokio::join!(starting, looking);
    assert!(started.status.success(), "{}", machine.journal_text().await);
    // It accepts at once: nobody asks twice.
    assert_eq!(machine.get("/health/ready").await.unwrap().code, 200);
    assert_eq!(machine.property("ActiveState").await, "active");
    machine.until_property("StatusText", "serving").await;
}

#[tokio::test]
async fn the_journal_holds_one_entry_for_each_line() {
    let machine = Machine::boot(DaemonOptions::default().brisk());
    machine.start().await;
    machine.must(&["systemctl", "stop", "budgetd"]).await;
    machine.until_event("application_shutdown_complete").await;
    let journal = machine.journal(UNIT).await;
    let said = journal.iter().filter(|entry| entry["_COMM"] == "budgetd");
    let lines: Vec<Value> = said
        .map(|entry| {
            assert_eq!(entry["_SYSTEMD_UNIT"], UNIT);
            serde_json::from_str(entry["MESSAGE"].as_str().unwrap()).unwrap()
        })
        .collect();
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str()).collect();
    assert!(events.len() > 5, "{events:?}");
    assert_eq!(events[0], Some("application_startup_begin"));
    assert_eq!(
        events.last().copied().flatten(),
        Some("application_shutdown_complete")
    );
}

#[tokio::test]
async fn whoever_was_late_is_waited_for_again() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let options = DaemonOptions::default()
        .brisk()
        .config("startup_deadline = \"1s\"")
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true");
    let machine = Machine::boot(options);
    let ended = machine.fail_to_start().await;
    assert_eq!(ended, ("69".into(), "auto-restart".into()));
    let why = machine.until_said(UNIT, "cannot start: cache was not up");
    assert!(why.await.contains("connection refused"));

    // Nobody has to do anything but to mend it.
    redis.restart_same_port().await;
    machine.until_property("ActiveState", "active").await;
    assert_ne!(machine.property("NRestarts").await, "0");
}
