//! One figure of all contestants.

use std::fmt;

use crate::statistics::{median, percentile};
use crate::unit::Unit;

/// What the contestants achieved. The first one is budgetd.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) figure: String,
    pub(crate) unit: Unit,
    pub(crate) series: Vec<Series>,
}

#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) contestant: String,
    pub(crate) values: Vec<f64>,
}

impl Series {
    pub(crate) fn median(&self) -> f64 {
        median(self.values.iter().copied())
    }

    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        percentile(percent, self.values.iter().copied())
    }

    pub(crate) fn lowest(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn highest(&self) -> f64 {
        self.values
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max)
    }
}

impl Table {
    pub(crate) fn new(figure: impl Into<String>, unit: Unit) -> Self {
        Self {
            figure: figure.into(),
            unit,
            series: Vec::new(),
        }
    }

    /// A contestant without values was not there and is left out.
    pub(crate) fn with(
        mut self,
        contestant: impl Into<String>,
        values: impl IntoIterator<Item = f64>,
    ) -> Self {
        let values: Vec<f64> = values.into_iter().collect();
        if !values.is_empty() {
            self.series.push(Series {
                contestant: contestant.into(),
                values,
            });
        }
        self
    }

    /// Adds a value to those of a contestant.
    pub(crate) fn and(mut self, contestant: &str, value: f64) -> Self {
        let known = self
            .series
            .iter_mut()
            .find(|one| one.contestant == contestant);
        match known {
            Some(series) => series.values.push(value),
            None => return self.with(contestant, [value]),
        }
        self
    }

    pub(crate) fn of(&self, contestant: &str) -> &Series {
        let found = self.series.iter().find(|one| one.contestant == contestant);
        found.unwrap_or_else(|| panic!("{contestant} has no {}", self.figure))
    }

    pub(crate) fn ours(&self) -> &Series {
        &self.series[0]
    }
}

/// The 99th percentile says something of many tries only: of fewer it is the
/// largest.
const MANY: usize = 100;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = self.series.iter().any(|one| one.values.len() >= MANY);
        let (p99, rule) = if many { (" p99 |", "--:|") } else { ("", "") };
        writeln!(
            f,
            "| {} | runs | median |{p99} lowest | highest | first ÷ it |\n|---|--:|--:|{rule}--:|--:|--:|",
            self.figure
        )?;
        let ours = self.ours().median();
        for (place, one) in self.series.iter().enumerate() {
            let show = |value| self.unit.show(value);
            let p99 = match many {
                true if one.values.len() >= MANY => format!(" {} |", show(one.percentile(99))),
                true => " |".to_owned(),
                false => String::new(),
            };
            let ratio = ours / one.median();
            let ratio = match (place, ratio.is_finite()) {
                (0, _) | (_, false) => String::new(),
                // Where there is less than nothing, nothing is times the other.
                _ if ratio < 0.0 => String::new(),
                _ if ratio < 0.1 => format!("{ratio:.3}"),
                _ => format!("{ratio:.2}"),
            };
            writeln!(
                f,
                "| {} | {} | {} |{p99} {} | {} | {ratio} |",
                one.contestant,
                one.values.len(),
                show(one.median()),
                show(one.lowest()),
                show(one.highest()),
            )?;
        }
        Ok(())
    }
}
