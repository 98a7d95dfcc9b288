//! The unit files as systemd reads them, without a systemd that runs.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use budgetd::config::Config;
use tempfile::TempDir;

use crate::support::{drop_in, find, units};

/// Ten times the exposure that is allowed, as systemd-analyze wants it.
const THRESHOLD: &str = "12";

fn text(unit: &str) -> String {
    let mut units = units().into_iter();
    let path = units.find(|path| path.ends_with(unit)).unwrap();
    fs::read_to_string(path).unwrap()
}

fn systemd_analyze(words: &[&str], files: &[PathBuf]) -> (Output, String) {
    let output = Command::new(find("systemd-analyze", "systemd"))
        .args(words)
        .args(files)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

/// The text with the program where it is now.
fn here(text: &str) -> String {
    text.replace("/usr/bin/budgetd", env!("CARGO_BIN_EXE_budgetd"))
}

/// The units in a folder of their own.
struct Copies {
    folder: TempDir,
}

impl Copies {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for unit in units() {
            let text = fs::read_to_string(&unit).unwrap();
            fs::write(folder.path().join(unit.file_name().unwrap()), here(&text)).unwrap();
        }
        Self { folder }
    }

    fn add_drop_in(&self, text: &str) {
        let folder = self.folder.path().join("budgetd.service.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("test.conf"), here(text)).unwrap();
    }

    /// What `systemd-analyze verify` says; it exits 0 with much to say.
    fn verify(&self) -> String {
        let files = units().into_iter();
        let files: Vec<_> = files
            .map(|unit| self.folder.path().join(unit.file_name().unwrap()))
            .collect();
        let (output, said) = systemd_analyze(&["verify", "--man=no"], &files);
        assert!(output.status.success(), "{said}");
        said
    }
}

#[test]
fn systemd_finds_nothing_to_say_about_the_units() {
    let copies = Copies::new();
    assert_eq!(copies.verify(), "");
    copies.add_drop_in(&drop_in("credentials.conf"));
    assert_eq!(copies.verify(), "");
    copies.add_drop_in("[Service]\nRestrat=always\n");
    assert!(copies.verify().contains("'Restrat'"));
}

#[test]
fn a_delay_that_grows_is_new_to_old_systemds_and_nothing_else_is() {
    let copies = Copies::new();
    copies.add_drop_in(&drop_in("growing-delay.conf"));
    for line in copies.verify().lines() {
        let is_new = line.contains("'RestartSteps'") || line.contains("'RestartMaxDelaySec'");
        assert!(is_new && line.contains("Unknown key"), "{line}");
    }
}

#[test]
fn they_expose_little() {
    for unit in units() {
        let words = ["security", "--offline=true", "--no-pager"];
        let limit = format!("--threshold={THRESHOLD}");
        let (output, _) = systemd_analyze(&[words.as_slice(), &[&limit]].concat(), &[unit]);
        let table = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{table}");
        assert!(table.contains("Overall exposure level"), "{table}");
    }
}

/// The settings of a unit, with those that a template has of its own left out.
fn settings(unit: &str, own: &[&str]) -> BTreeSet<String> {
    let text = text(unit);
    let settings = text
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains('='));
    let is_own = |line: &str| own.iter().any(|own| line.starts_with(own));
    settings
        .filter(|line| !is_own(line))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn what_an_instance_may_do_is_what_the_one_service_may_do() {
    let own = [
        "Description=",
        "Environment=",
        "EnvironmentFile=-/etc/budgetd/%i.env",
        "User=",
        "RuntimeDirectory=",
    ];
    let service = settings("budgetd.service", &own);
    assert!(service.len() > 40, "{service:?}");
    assert_eq!(settings("budgetd@.service", &own), service);

    let lifecycle = [
        "Type=",
        "Exec",
        "Restart",
        "StartLimit",
        "SuccessExitStatus=",
        "Watchdog",
        "Timeout",
        "LimitNOFILE=",
        "WantedBy=",
    ];
    let own = [own.as_slice(), &lifecycle].concat();
    assert_eq!(
        settings("budgetd-wait@.service", &own),
        settings("budgetd.service", &own)
    );
}

/// The value of a setting that stands in the unit once.
fn value(name: &str) -> String {
    let text = text("budgetd.service");
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let value = values.next().unwrap();
    assert_eq!(values.next(), None, "{name} stands there twice");
    value.to_owned()
}

fn seconds(name: &str) -> Duration {
    humantime::parse_duration(&value(name)).unwrap()
}

#[test]
fn its_times_and_limits_leave_room_for_the_defaults() {
    /// Connections, sessions and clients are closed at the end.
    const CLOSING: Duration = Duration::from_secs(10);

    let config = Config::builtin();
    let lifecycle = &config.lifecycle;
    let stop = lifecycle.drain_delay + lifecycle.drain_timeout + CLOSING;
    assert!(seconds("TimeoutStopSec") > stop);
    for dependency in &config.dependencies {
        let deadline = dependency.checks.startup_deadline.unwrap();
        assert!(seconds("TimeoutStartSec") > deadline * 3 / 2);
    }
    let files: u64 = value("LimitNOFILE").parse().unwrap();
    assert!(files > budgetd::http::file_limit::needed(config.api.max_connections));
}
