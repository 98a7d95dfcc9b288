//! Units of others that wait for a dependency.

use super::Machine;
use crate::support::DaemonOptions;

const WAIT: &str = "budgetd-wait@cache.service";
const OTHER: &str = "
[Unit]
Requires=budgetd-wait@cache.service
After=budgetd-wait@cache.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
";

#[tokio::test]
async fn they_start_when_it_is_up_and_not_without_it() {
    let options = DaemonOptions::default()
        .brisk()
        .cache("redis://127.0.0.1:6379/0");
    let machine = Machine::boot_alone(options);
    machine
        .systemd
        .write("/etc/systemd/system/other.service", OTHER);
    machine
        .edit(WAIT, "[Service]\nEnvironment=WAIT_TIMEOUT=100ms")
        .await;
    let started = machine.systemctl(&["start", "other"]).await;
    assert!(!started.status.success());
    assert_eq!(machine.property_of(WAIT, "ExecMainStatus").await, "69");
    assert_eq!(
        machine.property_of("other", "ActiveState").await,
        "inactive"
    );

    machine.edit(WAIT, "").await;
    machine
        .must(&["systemctl", "start", "--no-block", "other"])
        .await;
    machine.until_said(WAIT, "connection refused").await;
    assert_eq!(
        machine.property_of("other", "ActiveState").await,
        "inactive"
    );
    let redis = ["redis-server", "--save", "", "--bind", "127.0.0.1"];
    machine.run_server("redis", &redis).await;
    machine
        .until_works(&["systemctl", "is-active", "other"])
        .await;
    // Who comes later waits again, so it does not stay.
    assert_eq!(machine.property_of(WAIT, "ActiveState").await, "inactive");
    assert_eq!(machine.property_of(WAIT, "Result").await, "success");
}
