//! The log lines of the daemon's own life.

use std::time::Duration;

use super::listeners::Addresses;
use crate::config::Loaded;
use crate::dependency::CACHE;
use crate::health::Published;
use crate::shutdown::Phase;
use crate::signals::Signal;

pub(super) fn startup_begin(loaded: &Loaded, addresses: &Addresses) {
    let dependencies = &loaded.config.dependencies;
    tracing::info!(
        event = "application_startup_begin",
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        api = addresses.api,
        admin = addresses.admin,
        watched = dependencies
            .iter()
            .filter(|dependency| dependency.is_watched())
            .count(),
        "budgetd {} starts; {} opens when everything it needs is up",
        env!("CARGO_PKG_VERSION"),
        addresses.api
    );
    for warning in &loaded.warnings {
        tracing::warn!(event = "config_warning", "{warning}");
    }
    let Some(cache) = loaded.config.dependency(CACHE) else {
        return;
    };
    match &cache.target {
        Some(target) if cache.is_watched() => tracing::info!(
            event = "cache_setup_configured",
            dependency = CACHE,
            policy = %cache.policy,
            url = %target,
            "the cache is {target}, {}",
            cache.policy
        ),
        _ => tracing::info!(
            event = "cache_disabled_or_unavailable",
            dependency = CACHE,
            policy = %cache.policy,
            "the cache is not used: it is disabled or has no url"
        ),
    }
}

pub(super) fn opened(addresses: &Addresses, after: Duration, published: &Published) {
    let overall = published.verdict.overall(Phase::Serving);
    tracing::info!(
        event = "listener_opened",
        listen = addresses.api,
        "{} accepts connections",
        addresses.api
    );
    tracing::info!(
        event = "application_startup_complete",
        status = %overall,
        startup_ms = millis(after),
        "budgetd serves, {overall}"
    );
}

pub(super) fn status_dump(published: &Published, phase: Phase) {
    let dependencies: Vec<String> = published
        .snapshot
        .dependencies
        .iter()
        .map(|dependency| match &dependency.failure {
            Some(failure) => format!("{}={} ({failure})", dependency.name, dependency.status),
            None => format!("{}={}", dependency.name, dependency.status),
        })
        .collect();
    let overall = published.verdict.overall(phase);
    tracing::info!(
        event = "status_dump",
        status = %overall,
        phase = %phase,
        dependencies = dependencies.join(", "),
        "{overall}, {phase}"
    );
}

pub(super) fn shutdown_begin(why: &str, signal: Option<Signal>) {
    tracing::info!(
        event = "application_shutdown_begin",
        reason = why,
        signal = signal.map(Signal::as_str),
        "{why}"
    );
}

pub(super) fn drain_begin(delay: Duration, limit: Duration) {
    let goes_on = if delay.is_zero() {
        String::new()
    } else {
        format!(
            "; serving goes on for {}",
            humantime::format_duration(delay)
        )
    };
    tracing::info!(
        event = "drain_begin",
        drain_delay_ms = millis(delay),
        drain_timeout_ms = millis(limit),
        "readiness says draining{goes_on}"
    );
}

pub(super) fn drain_complete(took: Duration, cut: usize) {
    tracing::info!(
        event = "drain_complete",
        duration_ms = millis(took),
        drain_timeout_exceeded = cut,
        "every connection is closed"
    );
}

/// Requests did not end in time.
pub(super) fn drain_timeout_exceeded(cut: usize, held_by: &str, limit: Duration) {
    tracing::warn!(
        event = "drain_timeout_exceeded",
        requests = cut,
        held_by,
        "{cut} requests were still in flight after {} and were cut: {held_by}",
        humantime::format_duration(limit)
    );
}

pub(super) fn listener_closed(address: &str) {
    tracing::info!(
        event = "listener_closed",
        listen = address,
        "{address} is closed"
    );
}

pub(super) fn database_pool_closed() {
    tracing::info!(
        event = "database_pool_closed",
        "the connections of requests to the database are closed"
    );
}

/// The connection of requests to Redis is closed.
pub(super) fn redis_client_closed() {
    tracing::info!(
        event = "redis_client_closed",
        dependency = CACHE,
        "the connection of requests to {CACHE} is closed"
    );
}

pub(super) fn shutdown_complete(took: Duration) {
    tracing::info!(
        event = "application_shutdown_complete",
        duration_ms = millis(took),
        "budgetd has stopped"
    );
}

pub(super) fn second_signal(signal: Signal) {
    tracing::warn!(
        event = "application_shutdown_forced",
        signal = signal.as_str(),
        "a second {} while stopping: ending at once",
        signal.as_str()
    );
}

/// What ends the process by an error.
pub(super) fn fatal(error: &str) {
    tracing::error!(event = "application_failed", error, "{error}");
}

/// Milliseconds with two decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}
