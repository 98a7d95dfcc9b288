//! The tables. What stands in them are medians of the runs.

use std::fmt;
use std::time::Duration;

use crate::statistics::{count, median};
use crate::swarm::{CONNECTIONS, Outcome};

/// Requests for the summary.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    rows: String,
}

impl Reads {
    /// `goal`: so many requests a second at least.
    pub(crate) fn add(&mut self, figure: &str, runs: &[Outcome], goal: Option<f64>) {
        let of = |value: &dyn Fn(&Outcome) -> f64| median(runs.iter().map(value));
        let rate = of(&Outcome::rate);
        let processor = of(&|run| run.processor.as_secs_f64() * 1e6 / count(run.latencies.len()));
        let slowest = runs.iter().map(Outcome::rate).fold(f64::INFINITY, f64::min);
        let (p50, p99) = (of(&|run| run.latency(50)), of(&|run| run.latency(99)));
        let figure = match runs.iter().map(|run| run.others).sum() {
            0 => figure.to_owned(),
            others => format!("{figure} ({others} answers were not)"),
        };
        let row = format!(
            "| {figure} | {} | {rate:.0} | {slowest:.0} | {p50:.2} ms | {p99:.2} ms | {processor:.0} µs | {} |\n",
            runs.len(),
            verdict(goal.map(|goal| (format!("{goal:.0}/s"), rate > goal))),
        );
        // The table comes at the end; whoever waits for it sees that it grows.
        eprint!("{row}");
        self.rows.push_str(&row);
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| summary, {CONNECTIONS} connections | runs | requests/s | slowest run | p50 | p99 | processor time each | goal |\n\
             |---|--:|--:|--:|--:|--:|--:|---|\n{}",
            self.rows
        )
    }
}

/// Loads of so many rows.
#[derive(Debug)]
pub(crate) struct Imports {
    count: usize,
    rows: String,
}

impl Imports {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            count,
            rows: String::new(),
        }
    }

    /// `goal`: no longer than this.
    pub(crate) fn add(&mut self, figure: &str, runs: &[Duration], goal: Option<Duration>) {
        let seconds = median(runs.iter().map(Duration::as_secs_f64));
        let slowest = runs.iter().max().copied().unwrap_or_default();
        let row = format!(
            "| {figure} | {} | {seconds:.2} s | {:.2} s | {:.0} | {} |\n",
            runs.len(),
            slowest.as_secs_f64(),
            count(self.count) / seconds,
            verdict(goal.map(|goal| (format!("{} s", goal.as_secs()), slowest < goal))),
        );
        eprint!("{row}");
        self.rows.push_str(&row);
    }
}

impl fmt::Display for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| load of {} rows | runs | median | slowest | rows/s | goal |\n\
             |---|--:|--:|--:|--:|---|\n{}",
            self.count, self.rows
        )
    }
}

fn verdict(goal: Option<(String, bool)>) -> String {
    match goal {
        Some((goal, true)) => format!("{goal}: met"),
        Some((goal, false)) => format!("{goal}: **missed**"),
        None => String::new(),
    }
}
