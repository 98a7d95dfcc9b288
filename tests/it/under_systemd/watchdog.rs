//! The watchdog.

use super::{Machine, UNIT};
use crate::support::DaemonOptions;

/// The shortest that the daemon agrees to.
const WATCHDOG: &str = "[Service]\nWatchdogSec=4s";

async fn watched() -> Machine {
    let machine = Machine::boot(DaemonOptions::default().brisk());
    machine.edit(UNIT, WATCHDOG).await;
    machine.start().await;
    machine
}

#[tokio::test]
async fn a_daemon_that_hangs_is_killed_and_started_again() {
    let machine = watched().await;
    let hung = machine.property("MainPID").await;
    machine.must(&["kill", "-STOP", &hung]).await;
    machine.until_said(UNIT, "Watchdog timeout").await;
    let said = "Main process exited, code=killed, status=6/ABRT";
    machine.until_said(UNIT, said).await;
    machine.until_property("NRestarts", "1").await;
    machine.until_property("ActiveState", "active").await;
    assert_ne!(machine.property("MainPID").await, hung);
    assert_eq!(machine.get("/health/ready").await.unwrap().code, 200);
}
