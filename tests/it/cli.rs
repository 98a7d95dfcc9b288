//! The commands as a shell sees them: exit codes, stdout, stderr.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::process::{Command, Output, Stdio};

use crate::support::DaemonOptions;

mod check;

mod graph;

mod manual;

mod migrate;

mod run;

mod status;

mod usage;

mod wait;

/// What a command came to.
#[derive(Debug)]
struct Printed {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a command of the program to its end.
async fn run(options: &DaemonOptions, arguments: &[&str]) -> Printed {
    finish(options.command(arguments)).await
}

async fn finish(mut command: Command) -> Printed {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(true);
    let output = crate::support::within("the command ends", command.output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the program can be started");
    Printed {
        code: status.code(),
        stdout: String::from_utf8(stdout).expect("it prints UTF-8"),
        stderr: String::from_utf8(stderr).expect("it prints UTF-8"),
    }
}

impl Printed {
    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    fn says(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "{words:?} not in {self:#?}");
        self
    }

    #[track_caller]
    fn prints(&self, words: &str) -> &Self {
        assert!(self.stdout.contains(words), "{words:?} not in {self:#?}");
        self
    }

    #[track_caller]
    fn is_silent(&self) -> &Self {
        assert_eq!((&*self.stdout, &*self.stderr), ("", ""));
        self
    }
}
