//! A real systemd with budgetd installed: `tests/systemd-box` boots it.

use std::fmt::Display;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tokio::time::timeout;

use super::PATIENCE;

/// Where a package puts the units.
const UNITS: &str = "/usr/lib/systemd/system";

/// Has a network of its own.
const ALONE: &str = "--private-network";

/// A container whose process 1 is systemd. The program and the units are where
/// a package would put them; the network is the machine's.
#[derive(Debug)]
pub(crate) struct SystemdBox {
    /// Ends the box when its stdin is closed.
    script: Child,
    /// Process 1 of the box, as the machine counts.
    leader: u32,
}

impl SystemdBox {
    /// # Panics
    ///
    /// Where the machine does not allow it, with the reason. `etc/test` tries
    /// first, and leaves these tests out by name where it has to.
    pub(crate) fn boot() -> Self {
        Self::boot_with(installed())
    }

    /// One with a loopback address of its own, on which every port is free.
    pub(crate) fn boot_alone() -> Self {
        Self::boot_with(installed().chain([ALONE.to_owned()]))
    }

    /// The same without budgetd: for its package.
    pub(crate) fn bare() -> Self {
        Self::boot_with([ALONE.to_owned()])
    }

    fn boot_with(options: impl IntoIterator<Item = String>) -> Self {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(project.join("tests/systemd-box"));
        let mut script = command
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the script can be started");
        let mut line = String::new();
        let stdout = script.stdout.take().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the script says UTF-8");
        let Ok(leader) = line.trim().parse() else {
            panic!(
                "no systemd was booted; see above, or leave out what needs one: cargo test -- --skip under_systemd::"
            );
        };
        Self { script, leader }
    }

    /// A path inside, as it is called outside.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.leader))
    }

    /// Writes a file that all may read, and the folders that lead to it.
    pub(crate) fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        let folder = path.parent().expect("it is no root");
        std::fs::create_dir_all(folder).expect("root may write everywhere");
        std::fs::write(path, text).expect("root may write everywhere");
    }

    /// Runs a command inside, as root, to its end.
    pub(crate) async fn run(&self, words: &[&str]) -> Output {
        let mut command = tokio::process::Command::new("nsenter");
        command
            .args(["--target", &self.leader.to_string(), "--all", "--"])
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // A package is unpacked and configured by one command.
        let output = timeout(PATIENCE * 4, command.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{words:?} does not end"));
        output.expect("nsenter can be started")
    }
}

impl Drop for SystemdBox {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

/// The program and the units, where a package would put them.
fn installed() -> impl Iterator<Item = String> {
    let bind = |from: &dyn Display, to: &str| format!("--bind-ro={from}:{to}");
    let program = bind(&env!("CARGO_BIN_EXE_budgetd"), "/usr/bin/budgetd");
    let units = units().into_iter().map(move |unit| {
        let name = unit.file_name().expect("it is a file").to_string_lossy();
        bind(&unit.display(), &format!("{UNITS}/{name}"))
    });
    std::iter::once(program).chain(units)
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

/// The unit files of this project.
pub(crate) fn units() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(shipped()).expect("units are shipped");
    let mut units: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "service"))
        .collect();
    units.sort();
    assert!(!units.is_empty(), "there are units");
    units
}

/// The text of an optional part of a unit.
pub(crate) fn drop_in(name: &str) -> String {
    let path = shipped().join("drop-ins").join(name);
    std::fs::read_to_string(path).expect("it is shipped")
}
