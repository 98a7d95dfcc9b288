//! The supervisor's log lines. The three dependencies of the existing
//! deployment keep the event names that its dashboards search for.

use std::time::Duration;

use jiff::Timestamp;

use super::decision::Line;
use crate::dependency::{CACHE, DATABASE, ErrorKind, Name, Policy, SUPABASE_AUTH};
use crate::health::machine::{Transition, TransitionKind};
use crate::health::{DependencyHealth, Status};

/// Writes a line.
pub(super) fn tell(line: &Line) {
    match line {
        Line::Transition(health, transition) => tell_transition(health, *transition),
        Line::StillDown(health) => still_down(health),
        Line::Flapping(health, flaps) => tracing::warn!(
            event = "dependency_flapping",
            dependency = %health.name,
            policy = %health.policy,
            status = %health.status,
            flaps,
            error = error(health),
            error_kind = error_kind(health),
            "{} left ok {flaps} times within a minute; its transitions are summed up once a minute",
            health.name
        ),
        Line::Calmed(health) => tracing::info!(
            event = "dependency_flapping",
            dependency = %health.name,
            policy = %health.policy,
            status = %health.status,
            calmed = true,
            "{} flaps no more and is {}",
            health.name,
            health.status
        ),
        Line::ProbeRestarted {
            dependency,
            reason,
            restarts,
            delay,
        } => tracing::error!(
            event = "probe_restarted",
            %dependency,
            error = reason,
            restarts,
            delay_ms = millis(*delay),
            "the monitor of {dependency} broke and is replaced: {reason}"
        ),
    }
}

fn tell_transition(health: &DependencyHealth, transition: Transition) {
    let event = event_name(health.name.as_str(), transition.kind, health);
    let message = sentence(health, transition.kind);
    // A level must be known where the macro stands.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                event,
                dependency = %health.name,
                policy = %health.policy,
                status = %health.status,
                previous = %transition.previous,
                transition = transition.kind.as_str(),
                blocked_by = health.blocked_by.as_ref().map(tracing::field::display),
                error = error(health),
                error_kind = error_kind(health),
                hint = hint(health),
                attempt = health.attempts,
                latency_ms = health.latency.filter(|_| health.status.is_up()).map(millis),
                note = health.note,
                "{message}"
            )
        };
    }
    match transition.kind {
        TransitionKind::Ready | TransitionKind::Recovered => line!(info),
        TransitionKind::Blocked if !health.initialized => line!(info),
        TransitionKind::Down if health.policy == Policy::Required => line!(error),
        _ => line!(warn),
    }
}

fn still_down(health: &DependencyHealth) {
    let event = event_name(health.name.as_str(), TransitionKind::Down, health);
    let down_for = Timestamp::now().duration_since(health.since).as_secs();
    tracing::warn!(
        event,
        dependency = %health.name,
        policy = %health.policy,
        status = %health.status,
        reminder = true,
        down_for_seconds = down_for,
        error = error(health),
        error_kind = error_kind(health),
        hint = hint(health),
        attempt = health.attempts,
        "{} is still down after {down_for} s: {}",
        health.name,
        error(health).unwrap_or("it does not answer")
    );
}

/// The whole process stood still.
pub(super) fn clock_gap(gap: Duration) {
    tracing::warn!(
        event = "clock_gap",
        gap_ms = millis(gap),
        "the process stood still for {} ms (a paused machine, or no processor time); nothing is counted against any dependency",
        gap.as_millis()
    );
}

/// The session of a dependency was closed because the daemon stops.
pub(super) fn session_closed(name: &Name) {
    tracing::info!(
        event = "dependency_closed",
        dependency = %name,
        "the session with {name} is closed"
    );
}

fn event_name(name: &str, kind: TransitionKind, health: &DependencyHealth) -> &'static str {
    let up = matches!(kind, TransitionKind::Ready | TransitionKind::Recovered);
    let timed_out = health
        .failure
        .as_ref()
        .is_some_and(|failure| failure.kind == ErrorKind::Timeout);
    match (name, up) {
        (DATABASE, true) => "database_health_check_success",
        (DATABASE, false) if timed_out => "database_health_check_timeout",
        (DATABASE, false) => "database_health_check_failed",
        (CACHE, true) => "cache_initialization_success",
        (CACHE, false) => "cache_disabled_or_unavailable",
        (SUPABASE_AUTH, true) => "supabase_auth_check_success",
        (SUPABASE_AUTH, false) => "supabase_auth_check_failed",
        _ => match kind {
            TransitionKind::Ready => "dependency_ready",
            TransitionKind::Failing => "dependency_failing",
            TransitionKind::Down => "dependency_down",
            TransitionKind::Recovered => "dependency_recovered",
            TransitionKind::Blocked => "dependency_blocked",
        },
    }
}

fn sentence(health: &DependencyHealth, kind: TransitionKind) -> String {
    let (name, url) = (&health.name, &health.url);
    let error = error(health).unwrap_or("it does not answer");
    match kind {
        TransitionKind::Ready => format!("{name} is up ({url})"),
        TransitionKind::Recovered => format!("{name} is up again ({url})"),
        TransitionKind::Failing => format!("{name} ({url}) failed a check: {error}"),
        TransitionKind::Down => format!("{name} ({url}) is down: {error}"),
        TransitionKind::Blocked => match &health.blocked_by {
            Some(need) => format!("{name} is not checked while {need} is not up"),
            None => format!("{name} is not checked"),
        },
    }
}

fn error(health: &DependencyHealth) -> Option<&str> {
    health
        .failure
        .as_ref()
        .map(|failure| failure.message.as_str())
}

fn error_kind(health: &DependencyHealth) -> Option<&'static str> {
    health.failure.as_ref().map(|failure| failure.kind.as_str())
}

fn hint(health: &DependencyHealth) -> Option<&'static str> {
    let down = matches!(health.status, Status::Error | Status::Starting);
    let failure = health.failure.as_ref().filter(|_| down)?;
    Some(failure.kind.hint(health.kind))
}

fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}
