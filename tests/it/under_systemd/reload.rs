//! `systemctl reload`: a bad configuration fails there, before the daemon has
//! heard of it.

use super::{Machine, UNIT};
use crate::support::{BRISK, DaemonOptions, PATIENCE, wait};

#[tokio::test]
async fn a_good_one_is_taken_over_and_a_bad_one_fails_visibly() {
    let machine = Machine::boot(DaemonOptions::default().brisk());
    machine.start().await;
    let pid = machine.property("MainPID").await;
    let service = async || {
        let document = machine.get("/health").await.unwrap().json();
        document["service"].as_str().unwrap().to_owned()
    };

    machine.write_config(&format!("{BRISK}\n[api]\ntitle = \"Another\""));
    machine.must(&["systemctl", "reload", UNIT]).await;
    machine.until_event("config_reloaded").await;
    wait::until("the new title", PATIENCE, async || {
        (service().await == "Another").then_some(())
    })
    .await;

    machine.write_config("[api]\ntitle = \"A third\"\nnonsense = 1");
    let reload = machine.systemctl(&["reload", UNIT]).await;
    assert!(!reload.status.success());
    machine.until_said(UNIT, "api.nonsense").await;
    // The one that runs was not even asked.
    assert_eq!(machine.property("ActiveState").await, "active");
    assert_eq!(machine.property("MainPID").await, pid);
    assert_eq!(service().await, "Another");
    let lines = machine.lines(UNIT).await;
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("config_reloaded"), of("config_reload_failed")), (1, 0));
    machine.until_property("StatusText", "serving").await;
}
