//! What was to be reached, and whether it was.

use std::fmt;

use crate::unit::Unit;

#[derive(Debug)]
pub(crate) struct Goal {
    what: String,
    measured: String,
    wanted: String,
    met: bool,
}

impl Goal {
    pub(crate) fn at_least(what: impl Into<String>, measured: f64, bound: f64, unit: Unit) -> Self {
        Self::new(
            what.into(),
            measured,
            "at least",
            bound,
            unit,
            measured >= bound,
        )
    }

    pub(crate) fn below(what: impl Into<String>, measured: f64, bound: f64, unit: Unit) -> Self {
        Self::new(
            what.into(),
            measured,
            "under",
            bound,
            unit,
            measured < bound,
        )
    }

    pub(crate) fn at_most(what: impl Into<String>, measured: f64, bound: f64, unit: Unit) -> Self {
        Self::new(
            what.into(),
            measured,
            "at most",
            bound,
            unit,
            measured <= bound,
        )
    }

    fn new(what: String, measured: f64, how: &str, bound: f64, unit: Unit, met: bool) -> Self {
        Self {
            what,
            measured: unit.show(measured),
            wanted: format!("{how} {}", unit.show(bound)),
            met,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            measured,
            wanted,
            ..
        } = self;
        let met = if self.met { "met" } else { "**missed**" };
        write!(f, "| {what} | {measured} | {wanted} | {met} |")
    }
}
