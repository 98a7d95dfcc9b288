//! What was played, for people.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::case::{Manner, Stage};
use super::play::Played;

/// A row for each stage and manner.
pub(super) fn of(played: &[Played]) -> String {
    let mut rows: BTreeMap<(Stage, Manner), Vec<&Played>> = BTreeMap::new();
    for one in played {
        rows.entry((one.stage, one.manner)).or_default().push(one);
    }
    let mut text = format!(
        "{:<14} {:<13} {:>7} {:<22} {:>9} {:>9} {:>8} {:>7} {:>6}\n",
        "stage",
        "manner",
        "moments",
        "exit codes",
        "slowest",
        "let go",
        "migrated",
        "writes",
        "doubt"
    );
    for ((stage, manner), all) in rows {
        let mut codes: BTreeMap<i32, usize> = BTreeMap::new();
        for one in &all {
            *codes.entry(one.code).or_default() += 1;
        }
        let codes: Vec<_> = codes
            .iter()
            .map(|(code, count)| format!("{code}: {count}"))
            .collect();
        let slowest = |of: fn(&Played) -> Duration| {
            let slowest = all.iter().map(|one| of(one)).max().unwrap_or_default();
            format!("{} ms", slowest.as_millis())
        };
        let sum = |of: fn(&Played) -> usize| all.iter().map(|one| of(one)).sum::<usize>();
        writeln!(
            text,
            "{:<14} {:<13} {:>7} {:<22} {:>9} {:>9} {:>8} {:>7} {:>6}",
            format!("{stage:?}"),
            format!("{manner:?}"),
            all.len(),
            codes.join(", "),
            slowest(|one| one.took),
            slowest(|one| one.let_go),
            sum(|one| usize::from(one.migrated)),
            sum(|one| one.acknowledged),
            sum(|one| one.in_doubt),
        )
        .unwrap();
    }
    text
}
