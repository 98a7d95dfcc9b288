//! How several figures of the contestants grow with a number.

use std::fmt;

use crate::statistics::median;
use crate::unit::Unit;

#[derive(Debug)]
pub(crate) struct Grid {
    /// What the number is of.
    pub(crate) of: String,
    pub(crate) columns: Vec<Column>,
    /// The number, and the values of each column.
    pub(crate) rows: Vec<(usize, Vec<Vec<f64>>)>,
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) unit: Unit,
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} |", self.of)?;
        for column in &self.columns {
            write!(f, " {} |", column.name)?;
        }
        writeln!(f, "\n|--:|{}", "--:|".repeat(self.columns.len()))?;
        for (number, cells) in &self.rows {
            write!(f, "| {number} |")?;
            for (column, values) in self.columns.iter().zip(cells) {
                write!(f, " {} |", cell(column.unit, values))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The median, and in brackets the lowest and the highest value.
fn cell(unit: Unit, values: &[f64]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let [middle, lowest, highest] =
        [median(values.iter().copied()), lowest, highest].map(|value| unit.show(value));
    if lowest == highest {
        middle
    } else {
        format!("{middle} ({lowest} – {highest})")
    }
}
