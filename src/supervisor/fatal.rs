//! What the supervisor cannot go on after.

use std::sync::Arc;
use std::time::Duration;

use crate::dependency::{ErrorKind, Name};
use crate::health::DependencyHealth;

/// Why the process cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Fatal {
    #[error(
        "cannot start: {} was not up within its startup_deadline of {}: {} (tried {} times); {}",
        .health.name, humantime::format_duration(*.deadline), last_error(.health), .health.attempts, hint(.health)
    )]
    StartupDeadline {
        health: Arc<DependencyHealth>,
        deadline: Duration,
    },
    #[error(
        "cannot go on: the monitor of {dependency} was replaced {restarts} times within 30 s and broke again: {reason}"
    )]
    MonitorKeepsBreaking {
        dependency: Name,
        restarts: usize,
        reason: String,
    },
}

fn last_error(health: &DependencyHealth) -> &str {
    match &health.failure {
        Some(failure) => &failure.message,
        None => "it did not answer",
    }
}

fn hint(health: &DependencyHealth) -> &'static str {
    let kind = health
        .failure
        .as_ref()
        .map_or(ErrorKind::Timeout, |failure| failure.kind);
    kind.hint(health.kind)
}
