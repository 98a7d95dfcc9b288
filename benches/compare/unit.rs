//! How figures are written.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    PerSecond,
    Milliseconds,
    Microseconds,
    Megabytes,
    Kilobytes,
    /// Of one core.
    Percent,
    Pieces,
    /// How many times one thing is another.
    Times,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        let number = match value.abs() {
            100.0.. => format!("{value:.0}"),
            10.0..100.0 => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        };
        match self {
            Self::Pieces => format!("{value:.0}"),
            Self::Milliseconds if value >= 1000.0 => format!("{:.2} s", value / 1000.0),
            _ => format!("{number}{}", self.suffix()),
        }
    }

    /// The name of an axis.
    pub(crate) fn axis(self) -> &'static str {
        match self {
            Self::PerSecond => "a second",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Megabytes => "MB",
            Self::Kilobytes => "kB",
            Self::Percent => "% of a core",
            Self::Pieces => "",
            Self::Times => "times",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => " ms",
            Self::Microseconds => " µs",
            Self::Megabytes => " MB",
            Self::Kilobytes => " kB",
            Self::Percent => " %",
            Self::Pieces => "",
            Self::Times => "×",
        }
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
