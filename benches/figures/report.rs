//! The table.

use std::fmt;
use std::time::Duration;

use crate::statistics::percentile;

#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    figure: String,
    tries: usize,
    median: String,
    p99: String,
    max: String,
    bound: String,
    holds: &'static str,
}

impl Report {
    /// Durations, all of which must be below `bound`.
    pub(crate) fn durations(&mut self, figure: &str, tries: &[Duration], bound: Duration) {
        let seconds = || tries.iter().map(Duration::as_secs_f64);
        let rank = |percent| Duration::from_secs_f64(percentile(percent, seconds()));
        let max = rank(100);
        self.add(Row {
            figure: figure.to_owned(),
            tries: tries.len(),
            median: time(rank(50)),
            p99: time(rank(99)),
            max: time(max),
            bound: time(bound),
            holds: verdict(max < bound),
        });
    }

    /// One value that must be below `bound`.
    pub(crate) fn value(&mut self, figure: &str, value: f64, bound: f64, unit: &str) {
        self.add(Row {
            figure: figure.to_owned(),
            tries: 1,
            median: format!("{value:.2} {unit}"),
            p99: String::new(),
            max: String::new(),
            bound: format!("{bound} {unit}"),
            holds: verdict(value < bound),
        });
    }

    /// Something worth knowing that nothing was promised about.
    pub(crate) fn note(&mut self, figure: &str, value: String) {
        self.add(Row {
            figure: figure.to_owned(),
            tries: 1,
            median: value,
            p99: String::new(),
            max: String::new(),
            bound: String::new(),
            holds: "",
        });
    }

    fn add(&mut self, row: Row) {
        // The table comes at the end; whoever waits for it sees that it grows.
        eprintln!("{row}");
        self.rows.push(row);
    }
}

fn verdict(holds: bool) -> &'static str {
    if holds { "yes" } else { "**no**" }
}

fn time(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    match millis {
        ..10.0 => format!("{millis:.2} ms"),
        10.0..1000.0 => format!("{millis:.0} ms"),
        _ => format!("{:.2} s", millis / 1e3),
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            figure,
            tries,
            median,
            p99,
            max,
            bound,
            holds,
        } = self;
        write!(
            f,
            "| {figure} | {tries} | {median} | {p99} | {max} | {bound} | {holds} |"
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| figure | tries | median | p99 | max | bound | holds |\n|---|--:|--:|--:|--:|--:|---|"
        )?;
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        Ok(())
    }
}
