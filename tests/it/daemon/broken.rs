//! Monitors that break in a way that starting them anew does not mend.

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;

use budgetd::config::Sources;
use budgetd::daemon::{self, Start};
use budgetd::dependency::Failure;
use budgetd::probe::{Probe, Session};
use budgetd::signals::Signals;
use budgetd::telemetry::{Format, Telemetry};
use futures_util::future::BoxFuture;
use serde_json::Value;

use tempfile::tempdir;

use crate::support::assert_catalogued;

/// No real server makes a monitor panic, so this one does it by itself.
#[derive(Debug)]
struct Broken;

impl Probe for Broken {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        panic!("this probe is broken")
    }
}

/// The daemon belongs to its process, with its signals and its exit code.
#[test]
fn a_monitor_that_keeps_breaking_ends_the_process_with_70() {
    let folder = tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "daemon::broken::in_a_process_of_its_own",
        ])
        .env("BUDGETD_TEST_FOLDER", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert_catalogued(&said);
    let lines: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
    assert_eq!(of("probe_restarted"), 5, "{said}");
    assert_eq!(of("listener_opened"), 0, "{said}");
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "application_shutdown_complete", "{said}");
    let fatal = lines
        .iter()
        .find(|line| line["event"] == "application_failed")
        .unwrap();
    let error = fatal["message"].as_str().unwrap();
    assert!(
        error.contains("database") && error.contains("this probe is broken"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by a_monitor_that_keeps_breaking_ends_the_process_with_70"]
async fn in_a_process_of_its_own() {
    let admin = format!(
        "unix:{}/admin.sock",
        std::env::var("BUDGETD_TEST_FOLDER").unwrap()
    );
    let variables = [
        ("API_PORT", "0"),
        ("BUDGETD__ADMIN__LISTEN", admin.as_str()),
        ("REDIS_ENABLED", "false"),
    ];
    let sources = Sources {
        default_file: None,
        files: Vec::new(),
        env_files: Vec::new(),
        environment: variables
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .to_vec(),
    };
    let (loaded, graph) = daemon::plan(&sources).unwrap();
    let telemetry = Telemetry::start(Format::Json, "info", "test").unwrap();
    let start = Start {
        loaded,
        graph,
        sources,
        probes: Some(Arc::new(|_, _| Arc::new(Broken))),
        telemetry: &telemetry,
    };
    let ended = daemon::run(start, Signals::install().unwrap()).await;
    drop(telemetry);
    std::process::exit(ended.unwrap_err().exit().code().into());
}
