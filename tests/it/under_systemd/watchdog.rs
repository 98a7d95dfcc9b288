//! The watchdog.

use super::{Machine, UNIT};
use crate::support::{DaemonOptions, FaultProxy, Mode, PATIENCE, Redis, wait};

/// The shortest that the daemon agrees to.
const WATCHDOG: &str = "[Service]\nWatchdogSec=4s";

async fn watched(options: DaemonOptions) -> Machine {
    let machine = Machine::boot(options);
    machine.edit(UNIT, WATCHDOG).await;
    machine.start().await;
    machine
}

#[tokio::test]
async fn a_daemon_that_hangs_is_killed_and_started_again() {
    let machine = watched(DaemonOptions::default().brisk()).await;
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

#[tokio::test]
async fn whoever_hangs_elsewhere_starves_nobody() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let url = format!("redis://localhost:{}/0", proxy.port());
    let machine = watched(DaemonOptions::default().brisk().cache(&url)).await;
    proxy.set(Mode::Stall).await;
    // In microseconds, of the last proof of life.
    let fed_at = async || -> u64 {
        let shown = machine.property("WatchdogTimestampMonotonic").await;
        shown.parse().unwrap()
    };
    let begin = fed_at().await;
    wait::until("more than its patience passes", PATIENCE, async || {
        (fed_at().await > begin + 5_000_000).then_some(())
    })
    .await;
    assert_eq!(machine.property("NRestarts").await, "0");
    assert_eq!(machine.get("/health").await.unwrap().code, 200);
}
