//! An hour in which nothing happens but that the machine is overloaded: does
//! anyone cry wolf?

use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

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
/// Between two checks, by default.
const INTERVAL: Duration = Duration::from_secs(5);
/// Processes that never rest, for each core.
const BUSY: usize = 3;

pub(crate) async fn measure(effort: Effort) -> Section {
    let length = effort.of(Duration::from_hours(1), Duration::from_secs(12));
    let trio = Trio::start().await;
    let mut daemons = Vec::new();
    for _ in 0..DAEMONS {
        daemons.push(trio.watched().await);
    }
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    let busy: Vec<Busy> = (0..cores * BUSY).map(|_| Busy::start()).collect();
    let mut before = Vec::new();
    for daemon in &daemons {
        before.push(attempts(daemon).await);
    }
    let began = Instant::now();
    sleep(length).await;
    let mut made = Vec::new();
    for (daemon, before) in daemons.iter_mut().zip(before) {
        // Whoever is dead, or does not look, raises no alarm either.
        let ended = daemon.exit_now();
        assert!(ended.is_none(), "a daemon has ended: {}", daemon.stderr());
        let (code, document) = daemon.readiness().await;
        assert_eq!(code, 200, "{document}");
        let due = began.elapsed().as_secs_f64() / INTERVAL.as_secs_f64();
        let since = |(after, before): (f64, f64)| (after - before) / due;
        let all = attempts(daemon).await.into_iter().zip(before);
        made.push(all.map(since).fold(f64::INFINITY, f64::min));
    }
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
    let broken = daemons
        .iter()
        .map(|daemon| count(daemon.lines_of("probe_restarted").len()));
    let broken: Vec<f64> = broken.collect();
    let alarms = down.iter().chain(&broken).sum();
    let least = made.iter().copied().fold(f64::INFINITY, f64::min);
    Section {
        about: format!(
            "{DAEMONS} daemons with default settings watch healthy servers for {} s, on {cores} \
             cores that {} processes want for themselves. A value is that of one daemon. An alarm \
             is a dependency called down, or a monitor that broke. At the end every daemon still \
             runs and answers with 200.",
            length.as_secs(),
            cores * BUSY
        ),
        goals: vec![
            Goal::at_most("false alarms of all daemons", alarms, 0.0, Unit::Pieces),
            Goal::at_least(
                "checks made ÷ checks due, the least of all",
                least,
                0.9,
                Unit::Times,
            ),
        ],
        plots: Vec::new(),
        tables: vec![
            Table::new("a dependency called down", Unit::Pieces).with("budgetd", down),
            Table::new("a monitor that broke", Unit::Pieces).with("budgetd", broken),
            Table::new(
                "a dependency called failing, and not yet down",
                Unit::Pieces,
            )
            .with("budgetd", failing),
            Table::new(
                "checks made ÷ checks due, of the dependency with the fewest",
                Unit::Times,
            )
            .with("budgetd", made),
        ],
        ..Section::default()
    }
}

/// Checks so far of each dependency.
async fn attempts(daemon: &Daemon) -> Vec<f64> {
    let status = daemon.ask("/status").await.json();
    let all = status["dependencies"].as_array().expect("it is a list");
    let of = |dependency: &Value| dependency["attempts"].as_f64().expect("a number");
    all.iter().map(of).collect()
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
