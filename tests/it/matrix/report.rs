//! What came of all rows: a table for the terminal, and a page for people.

use std::time::Duration;

use super::run::{Outcome, Row};

/// Tells of a row that has ended.
pub(super) fn progress(row: &Row) {
    let took = row.took.as_secs_f64();
    match &row.outcome {
        Outcome::Kept => println!("ok      {took:5.1} s  {}", row.case),
        Outcome::Skipped(why) => println!("skipped          {}: {why}", row.case),
        Outcome::Broken { why, log } => {
            println!("BROKEN  {took:5.1} s  {}: {why}\n{log}", row.case);
        }
    }
}

/// Tells of all rows; answers with how many are broken.
pub(super) fn all(rows: &[Row], _name: &str, took: Duration) -> usize {
    let broken = rows.iter().filter(|row| matches!(row.outcome, Outcome::Broken { .. }));
    let broken = broken.count();
    println!("{} rows, {broken} broken, {:.0} s", rows.len(), took.as_secs_f64());
    broken
}
