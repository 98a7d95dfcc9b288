//! The answer to one question: goals, tables, plots.

use std::fmt;

use crate::goal::Goal;
use crate::grid::Grid;
use crate::plot::Plot;
use crate::table::Table;

#[derive(Debug, Default)]
pub(crate) struct Section {
    /// What is compared, and how: a paragraph.
    pub(crate) about: String,
    pub(crate) goals: Vec<Goal>,
    pub(crate) tables: Vec<Table>,
    pub(crate) grids: Vec<Grid>,
    pub(crate) plots: Vec<Plot>,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.about)?;
        if !self.goals.is_empty() {
            writeln!(f, "| goal | measured | wanted | |\n|---|--:|--:|---|")?;
            for goal in &self.goals {
                writeln!(f, "{goal}")?;
            }
            writeln!(f)?;
        }
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        for grid in &self.grids {
            writeln!(f, "{grid}")?;
        }
        for plot in &self.plots {
            writeln!(f, "![{}](performance/{}.svg)\n", plot.title, plot.name)?;
        }
        Ok(())
    }
}
