//! Structured logs on stdout: one JSON object a line, or text for a terminal.
//!
//! Lines are handed to a thread of their own. When stdout stalls they are
//! dropped and counted; the daemon never waits for whoever reads them.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

mod json;

/// The `service` field of every line.
const SERVICE: &str = "budgetd";
/// Lines that may wait for a slow reader: a few megabytes at most.
const BUFFERED_LINES: usize = 8_192;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    Json,
    Pretty,
}

/// The running log. Dropping it writes out what waits, for a second at most.
#[derive(Debug)]
pub struct Telemetry {
    level: reload::Handle<EnvFilter, Registry>,
    dropped: ErrorCounter,
    _worker: WorkerGuard,
}

/// Why the log cannot be what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the log level as tracing directives: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("cannot install the log: {0}")]
    Install(#[from] tracing_subscriber::util::TryInitError),
    #[error("cannot change the log level: {0}")]
    Reload(#[from] reload::Error),
}

impl Telemetry {
    /// Starts the log of the whole process.
    pub fn start(format: Format, level: &str, environment: &str) -> Result<Self, Error> {
        let (lines, worker) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(BUFFERED_LINES)
            .thread_name("log")
            .finish(io::stdout());
        let dropped = lines.error_counter();
        let pretty = match format {
            Format::Auto => io::stdout().is_terminal(),
            Format::Json => false,
            Format::Pretty => true,
        };
        let layer = tracing_subscriber::fmt::layer().with_writer(lines);
        let layer = if pretty {
            let colour = io::stdout().is_terminal();
            layer.with_target(false).with_ansi(colour).boxed()
        } else {
            let lines = json::Lines::new(SERVICE, environment);
            layer.with_ansi(false).event_format(lines).boxed()
        };
        let (filter, level) = reload::Layer::new(EnvFilter::try_new(level)?);
        tracing_subscriber::registry()
            .with(filter)
            .with(layer)
            .try_init()?;
        Ok(Self {
            level,
            dropped,
            _worker: worker,
        })
    }

    /// Changes the level while running.
    pub fn set_level(&self, level: &str) -> Result<(), Error> {
        Ok(self.level.reload(EnvFilter::try_new(level)?)?)
    }

    /// A count of the lines that nobody read in time.
    pub fn dropped_lines(&self) -> DroppedLines {
        DroppedLines(self.dropped.clone())
    }
}

/// Counts lines that were dropped because stdout stalled.
#[derive(Debug, Clone)]
pub struct DroppedLines(ErrorCounter);

impl DroppedLines {
    pub fn count(&self) -> usize {
        self.0.dropped_lines()
    }
}
