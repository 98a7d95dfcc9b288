use std::io::pipe;
use std::process::Stdio;

use super::run;
use crate::support::{DaemonOptions, wait};

#[tokio::test]
async fn help_is_complete_and_wrong_usage_is_2() {
    let options = DaemonOptions::default();
    let help = run(&options, &["--help"]).await;
    help.exits(0);
    for word in [
        "run",
        "check",
        "wait",
        "status",
        "graph",
        "migrate",
        "--config",
        "--env-file",
        "--version",
        "Exit codes:",
        "69",
        "70",
        "71",
        "78",
    ] {
        help.prints(word);
    }
    let version = run(&options, &["--version"]).await;
    version.exits(0);
    assert_eq!(
        version.stdout,
        format!("budgetd {}\n", env!("CARGO_PKG_VERSION"))
    );
    for command in ["run", "check", "wait", "status", "graph", "migrate"] {
        let help = run(&options, &[command, "--help"]).await;
        help.exits(0).prints("--config").prints("--env-file");
    }
    let wait = run(&options, &["wait", "--help"]).await;
    wait.prints("[default: 30s]");
    for wrong in [
        &["--nonsense"][..],
        &["nonsense"],
        &["check", "--nonsense"],
        &["wait", "--timeout", "soon"],
        &["wait", "--timeout", "-1s"],
        &["graph", "--format", "svg"],
        &["run", "extra"],
    ] {
        let printed = run(&options, wrong).await;
        printed.exits(2).says("error: ");
        assert_eq!(printed.stdout, "");
    }
}

#[tokio::test]
async fn a_reader_that_went_away_is_no_disaster() {
    let options = DaemonOptions::default();
    for arguments in [&["check"][..], &["graph"], &["--help"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = options.command(arguments);
        let mut child = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The command holds the last end for writing, so that stderr ends.
        drop(command);
        let status = wait::until("it ends", wait::PATIENCE, async || {
            child.try_wait().unwrap()
        });
        assert_eq!(status.await.code(), Some(0), "{arguments:?}");
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(stderr, "", "{arguments:?}");
    }
}
