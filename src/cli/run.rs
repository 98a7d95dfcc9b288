//! `budgetd run`: the daemon.

use std::io::{self, IsTerminal};

use tokio::runtime::Builder;

use super::{block_on, output};
use crate::config::{LogFormat, Sources};
use crate::daemon::{self, Start};
use crate::exit::Exit;
use crate::signals::Signals;
use crate::telemetry::{self, Format, Telemetry};

pub(super) fn run(sources: Sources) -> Exit {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_name("worker")
        .build();
    block_on(runtime, supervise(sources)).unwrap_or_else(|exit| exit)
}

async fn supervise(sources: Sources) -> Exit {
    // First of all: a signal that comes while files are read is honoured, too.
    let mut signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => {
            output::error(&format!("cannot install signal handlers: {error}"));
            return Exit::OperatingSystem;
        }
    };
    let planned = tokio::select! {
        planned = daemon::plan_aside(sources.clone()) => planned,
        _ = signals.next_stop() => return Exit::Success,
    };
    let (loaded, graph) = match planned {
        Ok(plan) => plan,
        Err(problems) => {
            log_problems(&problems);
            output::problems(&problems);
            return Exit::Configuration;
        }
    };
    let log = &loaded.config.log;
    let format = match log.format {
        LogFormat::Auto => Format::Auto,
        LogFormat::Json => Format::Json,
        LogFormat::Pretty => Format::Pretty,
    };
    let telemetry = match Telemetry::start(format, &log.level, &loaded.config.environment) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            output::error(&error.to_string());
            return match error {
                telemetry::Error::Stdout(_) => Exit::OperatingSystem,
                _ => Exit::Configuration,
            };
        }
    };
    let start = Start {
        loaded,
        graph,
        sources,
        probes: None,
        telemetry: &telemetry,
    };
    let ended = daemon::run(start, signals).await;
    // The log is written out before the process ends.
    drop(telemetry);
    match ended {
        Ok(()) => Exit::Success,
        Err(end) => {
            output::error(&end.to_string());
            end.exit()
        }
    }
}

/// Tells a log pipeline, which reads stdout only, what people read on stderr.
fn log_problems(problems: &[String]) {
    if io::stdout().is_terminal() {
        return;
    }
    if let Ok(_telemetry) = Telemetry::start(Format::Json, "info", "unknown") {
        tracing::error!(
            event = "config_invalid",
            problems = problems.join("; "),
            "cannot start: the configuration is invalid"
        );
    }
}
