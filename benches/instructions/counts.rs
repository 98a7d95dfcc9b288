//! The figures: kept in a file, and compared with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// A path may be so much longer, in percent.
const TOLERANCE: f64 = 2.0;
/// The same when another compiler made the program.
const OF_ANOTHER_COMPILER: f64 = 15.0;

/// Instructions of walking each path once.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Counts {
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

impl Counts {
    pub(crate) fn of<const N: usize>(counts: [(&str, u64); N]) -> Self {
        let version = Command::new("rustc").arg("--version").output();
        let version = version.map(|output| output.stdout).unwrap_or_default();
        Self {
            compiler: String::from_utf8_lossy(&version).trim().to_owned(),
            instructions: counts.map(|(name, count)| (name.to_owned(), count)).into(),
        }
    }

    pub(crate) fn kept() -> Self {
        let path = file();
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        toml::from_str(&text)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    pub(crate) fn keep(&self) {
        let path = file();
        std::fs::write(&path, self.to_string())
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    pub(crate) fn compare(&self, kept: &Self) -> Comparison {
        let tolerance = if self.compiler == kept.compiler {
            TOLERANCE
        } else {
            OF_ANOTHER_COMPILER
        };
        let row = |(name, now): (&String, &u64)| {
            let before = kept.instructions.get(name).copied().unwrap_or_default();
            (name.clone(), before, *now)
        };
        Comparison {
            tolerance,
            rows: self.instructions.iter().map(row).collect(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let toml = toml::to_string(self).map_err(|_| fmt::Error)?;
        write!(f, "# Renewed by `etc/instructions --renew`.\n{toml}")
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/counts.toml")
}

/// Each path with its count before and now.
#[derive(Debug)]
pub(crate) struct Comparison {
    tolerance: f64,
    rows: Vec<(String, u64, u64)>,
}

impl Comparison {
    pub(crate) fn is_longer(&self) -> bool {
        let longer = |(_, before, now): &(_, u64, u64)| change(*before, *now) > self.tolerance;
        self.rows.iter().any(longer)
    }
}

/// In percent.
#[expect(clippy::cast_precision_loss, reason = "no path is that long")]
fn change(before: u64, now: u64) -> f64 {
    100.0 * (now as f64 / before as f64 - 1.0)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:>12} {:>12} {:>8}",
            "path", "kept", "counted", "change"
        )?;
        for (name, before, now) in &self.rows {
            let change = change(*before, *now);
            let verdict = match change {
                _ if change > self.tolerance => "longer",
                _ if change < -self.tolerance => "shorter: renew the figures",
                _ => "",
            };
            let line = format!("{name:<10} {before:>12} {now:>12} {change:>+7.1} % {verdict}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
