//! Who runs on which core.

use std::fmt;
use std::process::Command;
use std::thread::available_parallelism;

use crate::support::DaemonOptions;

/// The last core is the daemon's alone; its servers and its clients share the
/// others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    /// `None`: the machine has but one, or no `taskset`.
    daemon: Option<usize>,
}

impl Cores {
    /// Keeps this process, and whatever it starts, off the daemon's core.
    pub(crate) fn divide() -> Self {
        let count = available_parallelism().map_or(1, std::num::NonZero::get);
        let daemon = count.checked_sub(1).filter(|last| *last > 0);
        let daemon = daemon.filter(|last| {
            let ours = format!("0-{}", last - 1);
            let this = std::process::id().to_string();
            Command::new("taskset")
                .args(["--all-tasks", "--pid", "--cpu-list", &ours, &this])
                .output()
                .is_ok_and(|output| output.status.success())
        });
        Self { daemon }
    }

    pub(crate) fn give(self, options: DaemonOptions) -> DaemonOptions {
        match self.daemon {
            Some(core) => options.core(core),
            None => options,
        }
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.daemon {
            Some(_) => "The daemon has one core, servers and clients share the rest.",
            None => "The daemon, its servers and its clients share all cores.",
        })
    }
}
