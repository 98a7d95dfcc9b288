//! An hour in which nothing happens but that the machine is overloaded: does
//! anyone cry wolf?

use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::time::sleep;

use crate::Effort;
use crate::goal::Goal;
use crate::section::Section;
use crate::statistics::count;
use crate::support::Daemon;
use crate::table::Table;
use crate::trio::Trio;
use crate::unit::Unit;

/// Several daemons see as many hours in one.
const DAEMONS: usize = 4;
/// Processes that never rest, for each core.
const BUSY: usize = 3;

pub(crate) async fn measure(effort: Effort) -> Section {
    let length = effort.of(Duration::from_hours(1), Duration::from_secs(5));
    let trio = Trio::start().await;
    let mut daemons = Vec::new();
    for _ in 0..DAEMONS {
        daemons.push(trio.watched().await);
    }
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    let busy: Vec<Busy> = (0..cores * BUSY).map(|_| Busy::start()).collect();
    sleep(length).await;
    drop(busy);
    let seen = |transition: &str| {
        let of = |daemon: &Daemon| {
            let lines = daemon.lines();
            let alike = lines.iter().filter(|line| line["transition"] == transition);
            count(alike.count())
        };
        daemons.iter().map(of).collect::<Vec<f64>>()
    };
    let (down, failing) = (seen("down"), seen("failing"));
    let alarms = down.iter().sum();
    Section {
        about: format!(
            "{DAEMONS} daemons with default settings watch healthy servers for {} s, on {cores} \
             cores that {} processes want for themselves. A value is that of one daemon.",
            length.as_secs(),
            cores * BUSY
        ),
        goals: vec![Goal::below(
            "false alarms of all daemons",
            alarms,
            1.0,
            Unit::Pieces,
        )],
        plots: Vec::new(),
        tables: vec![
            Table::new("a dependency called down", Unit::Pieces).with("budgetd", down),
            Table::new("a check that failed", Unit::Pieces).with("budgetd", failing),
        ],
        ..Section::default()
    }
}

/// A process that wants a whole core.
struct Busy(Child);

impl Busy {
    fn start() -> Self {
        let child = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                "sh",
                "-c",
                "while :; do :; done",
            ])
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("it can be started"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
