//! Several instances on one machine.

use std::os::unix::fs::MetadataExt;

use super::Machine;
use crate::support::DaemonOptions;

const INSTANCES: [&str; 2] = ["8001", "8002"];

impl Machine {
    /// Asks a port of the box.
    async fn curl(&self, port: &str, path: &str) -> String {
        let url = format!("http://127.0.0.1:{port}{path}");
        self.must(&["curl", "-sS", "--fail", &url]).await
    }
}

#[tokio::test]
async fn their_names_are_their_ports() {
    let options = DaemonOptions::default()
        .brisk()
        // Left over from times of a single instance.
        .without_addresses()
        .variable("API_PORT", "8000");
    let machine = Machine::boot_alone(options);
    let path = "/etc/budgetd/8002.env";
    machine.systemd.write(path, "ENVIRONMENT=second\n");
    machine
        .must(&["systemctl", "start", "budgetd@8001", "budgetd@8002"])
        .await;
    for port in INSTANCES {
        machine.curl(port, "/health/ready").await;
        let metrics = machine.curl(&format!("1{port}"), "/metrics").await;
        assert!(metrics.contains("budgetd_"), "{metrics}");
        let unit = format!("budgetd@{port}.service");
        let lines = machine.lines(&unit).await;
        let environment = if port == "8002" {
            "second"
        } else {
            "production"
        };
        assert_eq!(lines[0]["environment"], environment);
        machine.must(&["systemctl", "reload", &unit]).await;
    }
    // One user that systemd has invented, and a folder for each.
    let owner = |port: &str| {
        let folder = machine.systemd.path(&format!("/run/budgetd-{port}"));
        std::fs::metadata(folder).unwrap().uid()
    };
    assert_eq!(owner("8001"), owner("8002"));
    assert!((61_184..=65_519).contains(&owner("8001")));

    machine.must(&["systemctl", "stop", "budgetd@8001"]).await;
    assert!(!machine.systemd.path("/run/budgetd-8001").exists());
    assert!(machine.systemd.path("/run/budgetd-8002").exists());
    machine.curl("8002", "/health/ready").await;
    machine.must(&["systemctl", "start", "budgetd@8001"]).await;
    machine.curl("8001", "/health/ready").await;
}
