//! What came of all rows: a table for the terminal, and a page for people.

#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::axes::{Dependency, Fault, Moment, POLICIES};
use super::case::PRODUCT;
use super::model;
use super::run::{Outcome, Row};

mod page;

/// How many rows must have something in common before their being late says
/// something.
const COMPANY: usize = 4;

/// How few rows there are for each failure of a living server that a machine
/// with much to do may cause, besides a few.
const ROWS_A_HICCUP: usize = 50;
const FEW_HICCUPS: usize = 2;

/// Tells of a row that has ended.
pub(super) fn progress(row: &Row) {
    let (case, took) = (row.case, row.took.as_secs_f64());
    match &row.outcome {
        Outcome::Kept { .. } => println!("kept     {took:5.1} s  {case}"),
        Outcome::Skipped(why) => println!("skipped           {case}: {why}"),
        Outcome::Broken { why, log } => println!("BROKEN   {took:5.1} s  {case}: {why}\n{log}"),
    }
}

/// Tells of all rows; answers with what is wrong, if anything.
pub(super) fn all(rows: &[Row], name: &str, took: Duration) -> Vec<String> {
    table(rows);
    let tally = Tally::of(rows, took);
    for line in tally.lines() {
        println!("{line}");
    }
    for row in rows {
        if let Outcome::Broken { why, .. } = &row.outcome {
            println!("BROKEN  {}: {}", row.case, first_line(why));
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let path = target.expect("it has one").join(format!("{name}.html"));
    std::fs::write(&path, page::of(rows, &tally)).expect("the folder is writable");
    println!("{}", path.display());
    tally.complaints()
}

/// What all rows add up to.
struct Tally {
    rows: usize,
    broken: usize,
    at_second_try: usize,
    skipped: usize,
    hiccups: usize,
    excluded: usize,
    took: Duration,
    spans: Vec<Span>,
    /// What is late, and of whom.
    slow: Vec<String>,
}

/// How long one thing took in all rows.
struct Span {
    what: &'static str,
    count: usize,
    median: Duration,
    longest: Duration,
    /// How many took longer than the bound without what a busy machine adds.
    late: usize,
}

impl Tally {
    fn of(rows: &[Row], took: Duration) -> Self {
        let count = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count();
        Self {
            rows: rows.len(),
            broken: count(Row::is_broken),
            at_second_try: count(|row| matches!(row.outcome, Outcome::Kept { at_first: Some(_) })),
            skipped: count(|row| matches!(row.outcome, Outcome::Skipped(_))),
            hiccups: rows.iter().map(|row| row.hiccups).sum(),
            excluded: model::excluded().iter().map(|(.., rows)| rows).sum(),
            took,
            spans: spans(rows),
            slow: slow(rows),
        }
    }

    /// One row may be late because of the machine, and so may be a server's one
    /// answer; what is late or fails here and there all the time is the daemon.
    fn complaints(&self) -> Vec<String> {
        let broken = (self.broken > 0).then(|| format!("{} rows are broken", self.broken));
        let many = self.hiccups > self.rows / ROWS_A_HICCUP + FEW_HICCUPS;
        let many = many.then(|| format!("living servers missed {} checks", self.hiccups));
        let all = broken.into_iter().chain(many);
        all.chain(self.slow.iter().cloned()).collect()
    }

    fn lines(&self) -> Vec<String> {
        let Self {
            rows,
            broken,
            at_second_try,
            skipped,
            hiccups,
            excluded,
            ..
        } = self;
        let seconds = self.took.as_secs();
        let mut lines = vec![
            format!("{rows} rows in {seconds} s: {broken} broken, {skipped} skipped"),
            format!("{at_second_try} were kept only when few were played at once"),
            format!("{hiccups} times the machine made a living server miss a check"),
            format!("{excluded} of the {PRODUCT} combinations make no sense"),
        ];
        for span in &self.spans {
            lines.push(format!(
                "{:16} {:5} times, median {:.2} s, longest {:.2} s, {} past the bound",
                span.what,
                span.count,
                span.median.as_secs_f64(),
                span.longest.as_secs_f64(),
                span.late
            ));
        }
        lines
    }
}

fn spans(rows: &[Row]) -> Vec<Span> {
    let figures: Vec<_> = rows.iter().flat_map(|row| &row.figures).collect();
    let mut names: Vec<_> = figures.iter().map(|figure| figure.what).collect();
    names.sort_unstable();
    names.dedup();
    let span = |what| {
        let all = figures.iter().filter(|figure| figure.what == what);
        let late = all.clone().filter(|figure| figure.is_late()).count();
        let mut took: Vec<_> = all.map(|figure| figure.took).collect();
        took.sort_unstable();
        Span {
            what,
            count: took.len(),
            median: took[took.len() / 2],
            longest: took[took.len() - 1],
            late,
        }
    };
    names.into_iter().map(span).collect()
}

/// What most rows are late with that have something in common: the thing, and
/// also the dependency, the fault, or both.
fn slow(rows: &[Row]) -> Vec<String> {
    let mut groups = BTreeMap::<String, (usize, usize)>::new();
    for row in rows {
        let (dependency, fault) = (row.case.dependency, row.case.fault);
        let common = [
            String::new(),
            format!(" of {dependency}"),
            format!(" after {fault}"),
            format!(" of {dependency} after {fault}"),
        ];
        for figure in row.figures.iter().filter(|figure| figure.is_certain) {
            for common in &common {
                let group = format!("{:?}{common}", figure.what);
                let (late, count) = groups.entry(group).or_default();
                *late += usize::from(figure.is_late());
                *count += 1;
            }
        }
    }
    groups.retain(|_, (late, count)| *count >= COMPANY && *late * 2 > *count);
    let told = |(group, (late, count))| format!("{group} came past its bound in {late} of {count}");
    groups.into_iter().map(told).collect()
}

/// One line for each fault of each dependency; in it the moments, with a letter
/// for each policy.
fn table(rows: &[Row]) {
    print!("\n{:33}", "");
    for moment in Moment::ALL {
        print!(" {moment:12}");
    }
    println!();
    for dependency in Dependency::ALL {
        for fault in Fault::ALL {
            let cells = Moment::ALL.map(|moment| cell(rows, (dependency, fault, moment)));
            let excluded = model::effect(dependency, fault).err();
            if let Some(reason) = excluded {
                println!("{dependency:10} {fault:22} {reason}");
            } else if cells.iter().any(|cell| !cell.is_empty()) {
                print!("{dependency:10} {fault:22}");
                for cell in cells {
                    print!(" {cell:12}");
                }
                println!();
            }
        }
    }
    println!("r, s, o: kept as required, startup, optional; !: broken; -: skipped\n");
}

fn cell(rows: &[Row], (dependency, fault, moment): (Dependency, Fault, Moment)) -> String {
    let letter = |policy| {
        let row = rows.iter().find(|row| {
            let case = row.case;
            (case.dependency, case.fault, case.moment, case.policy)
                == (dependency, fault, moment, policy)
        })?;
        Some(match row.outcome {
            Outcome::Kept { .. } => policy.as_str().chars().next().unwrap_or('?'),
            Outcome::Broken { .. } => '!',
            Outcome::Skipped(_) => '-',
        })
    };
    POLICIES.into_iter().filter_map(letter).collect()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
