//! Structured logs on stdout: one JSON object a line, or text for a terminal.
//!
//! Lines are handed to a thread of their own. When stdout stalls or cannot be
//! written to, they are lost and counted; the daemon never waits for whoever
//! reads them.

use std::io::{self, IsTerminal};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

mod json;

mod output;

#[cfg(feature = "otel")]
mod otel;

pub mod catalogue;

pub mod prometheus;

pub mod span;

pub mod trace;

pub use output::LostLines;

use output::Output;

/// The `service` field of every line.
const SERVICE: &str = "budgetd";
/// Lines that may wait for a slow reader: a few megabytes at most.
const BUFFERED_LINES: usize = 8_192;

/// How long the end of the process waits for whoever reads its last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The standard variables that ask for spans to be exported.
const OTEL_ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

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
    level: reload::Handle<Targets, Registry>,
    lost: LostLines,
    worker: Option<WorkerGuard>,
    #[cfg(feature = "otel")]
    export: Option<otel::Export>,
}

/// Why the log cannot be what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the log level as tracing directives: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("cannot write the log to stdout: {0}")]
    Stdout(#[from] io::Error),
    #[error("cannot install the log: {0}")]
    Install(#[from] tracing_subscriber::util::TryInitError),
    #[cfg(feature = "otel")]
    #[error(transparent)]
    Export(#[from] otel::Error),
    #[error("cannot change the log level: {0}")]
    Reload(#[from] reload::Error),
}

impl Telemetry {
    /// Starts the log of the whole process.
    pub fn start(format: Format, level: &str, environment: &str) -> Result<Self, Error> {
        let lost = LostLines::default();
        let (lines, worker) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(BUFFERED_LINES)
            .thread_name("log")
            .finish(Output::new(&io::stdout(), lost.clone())?);
        lost.watch(lines.error_counter());
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
        let (filter, level) = reload::Layer::new(level.parse::<Targets>()?);
        tracing_subscriber::registry()
            .with(filter)
            .with(layer)
            .try_init()?;
        #[cfg(not(feature = "otel"))]
        warn_of_ignored_variables();
        Ok(Self {
            level,
            lost,
            worker: Some(worker),
            #[cfg(feature = "otel")]
            export: otel::Export::start(environment)?,
        })
    }

    /// Changes the level while running.
    pub fn set_level(&self, level: &str) -> Result<(), Error> {
        Ok(self.level.reload(level.parse::<Targets>()?)?)
    }

    /// A count of the lines that nobody got to see.
    pub fn lost_lines(&self) -> LostLines {
        self.lost.clone()
    }
}

impl Drop for Telemetry {
    /// With a full queue and a stalled stdout, the guard would print a
    /// complaint to that very stdout and hang with it: so it is waited for on
    /// a thread of its own, which ends with the process.
    fn drop(&mut self) {
        let (working, ended) = mpsc::channel::<()>();
        let worker = self.worker.take();
        at_the_end(working.clone(), move || drop(worker));
        #[cfg(feature = "otel")]
        if let Some(export) = self.export.take() {
            at_the_end(working.clone(), move || export.finish(LAST_LINES));
        }
        drop(working);
        // What is not taken by now is lost, as what came before.
        let _ = ended.recv_timeout(LAST_LINES);
    }
}

/// Works on a thread of its own and gives `working` up when it is done.
fn at_the_end(working: mpsc::Sender<()>, work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name("flush".to_owned());
    // Without a thread there is nothing to wait for.
    let _ = thread.spawn(move || {
        work();
        drop(working);
    });
}

#[cfg(not(feature = "otel"))]
fn warn_of_ignored_variables() {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = OTEL_ENDPOINTS.iter().find(|name| set(name)) {
        tracing::warn!(
            event = "config_warning",
            "{name} is ignored: this budgetd was built without the feature otel and exports no spans"
        );
    }
}
