//! Keeps what the `metrics` macros record and renders it in the text format of
//! Prometheus: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! Everything is a handful of atomics that never grow, so nothing has to be
//! folded in or expired, and a recorder is there at once: others calibrate a
//! clock first, for up to 200 ms of the start.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::atomics::AtomicU64;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, SetRecorderError,
    SharedString, Unit,
};

/// The upper bounds of all histograms, in seconds: from a fraction of a
/// millisecond to the longest deadlines.
const BOUNDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// A recorder; clones share what was recorded. A name must keep its type, and
/// names must be legal ones: they are the program's own.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    inner: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    help: HashMap<KeyName, SharedString>,
    /// In the order of names, which keeps the series of one together.
    series: BTreeMap<Key, Series>,
}

#[derive(Debug)]
enum Series {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

impl Recorder {
    /// Makes a recorder the one of this process.
    pub fn install() -> Result<Self, SetRecorderError<Self>> {
        let recorder = Self::default();
        metrics::set_global_recorder(recorder.clone())?;
        Ok(recorder)
    }

    /// Everything that was recorded, as text.
    pub fn render(&self) -> String {
        self.with(|recorded| {
            let mut text = String::new();
            let mut family = "";
            for (key, series) in &recorded.series {
                if key.name() != family {
                    family = key.name();
                    let help = recorded.help.get(family).map(|help| &**help);
                    write_head(&mut text, family, help, series);
                }
                write_series(&mut text, key, series);
            }
            text
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Recorded) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The series of a key, made by `new` when it is met first.
    fn series<T>(
        &self,
        key: &Key,
        new: impl FnOnce() -> Series,
        pick: impl FnOnce(&Series) -> Option<T>,
    ) -> Option<T> {
        self.with(|recorded| {
            if let Some(series) = recorded.series.get(key) {
                return pick(series);
            }
            pick(recorded.series.entry(key.clone()).or_insert_with(new))
        })
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.with(|recorded| recorded.help.insert(name, help));
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.with(|recorded| recorded.help.insert(name, help));
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.with(|recorded| recorded.help.insert(name, help));
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let found = self.series(
            key,
            || Series::Counter(Arc::default()),
            |series| match series {
                Series::Counter(value) => Some(Counter::from_arc(value.clone())),
                _ => None,
            },
        );
        found.unwrap_or_else(Counter::noop)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let found = self.series(
            key,
            || Series::Gauge(Arc::default()),
            |series| match series {
                Series::Gauge(value) => Some(Gauge::from_arc(value.clone())),
                _ => None,
            },
        );
        found.unwrap_or_else(Gauge::noop)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let found = self.series(
            key,
            || Series::Histogram(Arc::default()),
            |series| match series {
                Series::Histogram(buckets) => Some(Histogram::from_arc(buckets.clone())),
                _ => None,
            },
        );
        found.unwrap_or_else(Histogram::noop)
    }
}

/// How many values fell into each bucket.
#[derive(Debug, Default)]
struct Buckets {
    /// One for each bound, for values up to it and above the one before.
    counts: [AtomicU64; BOUNDS.len()],
    above: AtomicU64,
    /// The bits of a float, as in a gauge.
    sum: AtomicU64,
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let bucket = BOUNDS.iter().position(|bound| value <= *bound);
        let count = bucket.map_or(&self.above, |index| &self.counts[index]);
        count.fetch_add(1, Relaxed);
        metrics::GaugeFn::increment(&self.sum, value);
    }
}

fn write_head(text: &mut String, name: &str, help: Option<&str>, series: &Series) {
    if let Some(help) = help {
        text.push_str("# HELP ");
        text.push_str(name);
        text.push(' ');
        escape(text, help, false);
        text.push('\n');
    }
    let kind = match series {
        Series::Counter(_) => "counter",
        Series::Gauge(_) => "gauge",
        Series::Histogram(_) => "histogram",
    };
    line(text, format_args!("# TYPE {name} {kind}"));
}

fn write_series(text: &mut String, key: &Key, series: &Series) {
    let name = key.name();
    let labels = labels(key.labels());
    match series {
        Series::Counter(value) => {
            let braces = in_braces(&labels);
            line(text, format_args!("{name}{braces} {}", value.load(Relaxed)));
        }
        Series::Gauge(value) => {
            let (braces, value) = (in_braces(&labels), f64::from_bits(value.load(Relaxed)));
            line(text, format_args!("{name}{braces} {value}"));
        }
        Series::Histogram(buckets) => {
            let before = if labels.is_empty() { "" } else { "," };
            let mut count = 0;
            for (bound, bucket) in BOUNDS.iter().zip(&buckets.counts) {
                // Buckets are cumulative: each counts all values up to its bound.
                count += bucket.load(Relaxed);
                line(
                    text,
                    format_args!("{name}_bucket{{{labels}{before}le=\"{bound}\"}} {count}"),
                );
            }
            count += buckets.above.load(Relaxed);
            line(
                text,
                format_args!("{name}_bucket{{{labels}{before}le=\"+Inf\"}} {count}"),
            );
            let (braces, sum) = (
                in_braces(&labels),
                f64::from_bits(buckets.sum.load(Relaxed)),
            );
            line(text, format_args!("{name}_sum{braces} {sum}"));
            line(text, format_args!("{name}_count{braces} {count}"));
        }
    }
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{content}");
}

fn labels<'a>(labels: impl Iterator<Item = &'a Label>) -> String {
    let mut text = String::new();
    for label in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(label.key());
        text.push_str("=\"");
        escape(&mut text, label.value(), true);
        text.push('"');
    }
    text
}

fn in_braces(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

/// Backslashes and line feeds are escaped everywhere, quotes in label values.
fn escape(text: &mut String, raw: &str, quotes: bool) {
    for character in raw.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
