//! The sentence that `systemctl status` shows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::report::{Leaving, Stage};
use crate::dependency::Policy;
use crate::health::readiness::Overall;
use crate::health::{DependencyHealth, Published};
use crate::shutdown::Phase;

/// So many dependencies are told by name.
const NAMED: usize = 3;

pub(super) fn sentence(stage: &Stage, published: &Published, now: Instant) -> String {
    let left = |until: Instant| seconds(until.saturating_duration_since(now));
    match stage {
        Stage::Starting => starting(published, now),
        Stage::Serving => serving(published),
        Stage::Reloading => "reloading the configuration".to_owned(),
        Stage::Leaving { step, .. } => match step {
            Leaving::Draining(until) => format!("draining: still serving for {}", left(*until)),
            Leaving::Finishing(until) => {
                format!("draining: finishing requests, {} left", left(*until))
            }
            Leaving::Closing => "closing connections".to_owned(),
        },
        Stage::Stopped(words) => words.clone(),
    }
}

fn starting(published: &Published, now: Instant) -> String {
    let awaited = not_up(published, |dependency| dependency.policy.gates());
    if awaited.is_empty() {
        return "starting".to_owned();
    }
    let told = list(&awaited, |dependency| {
        if let Some(need) = &dependency.blocked_by {
            return format!("{} (which needs {need})", dependency.name);
        }
        let attempt = match dependency.attempts {
            0 => "first attempt".to_owned(),
            attempts => format!("attempt {attempts}"),
        };
        let limit = match dependency.start_deadline.left(now) {
            Some(left) => format!("{} left", seconds(left)),
            None => "for as long as it takes".to_owned(),
        };
        format!("{} ({attempt}, {limit})", plight(dependency))
    });
    format!("waiting for {told}")
}

fn serving(published: &Published) -> String {
    let overall = published.verdict.overall(Phase::Serving);
    let missing = match overall {
        Overall::Unavailable => not_up(published, |dependency| {
            dependency.policy == Policy::Required
        }),
        _ => not_up(published, |_| true),
    };
    let told = list(&missing, |dependency| match &dependency.blocked_by {
        Some(need) => format!("{} (which needs {need})", dependency.name),
        None => plight(dependency),
    });
    match overall {
        Overall::Unavailable => format!("unavailable, waiting for {told}"),
        _ if missing.is_empty() => "serving".to_owned(),
        _ => format!("serving, degraded without {told}"),
    }
}

/// Those that are watched, chosen, and not up.
fn not_up(
    published: &Published,
    chosen: impl Fn(&DependencyHealth) -> bool,
) -> Vec<Arc<DependencyHealth>> {
    let all = published.snapshot.dependencies.iter();
    all.filter(|dependency| dependency.status.counts() && !dependency.status.is_up())
        .filter(|dependency| chosen(dependency))
        .cloned()
        .collect()
}

fn list(
    dependencies: &[Arc<DependencyHealth>],
    tell: impl Fn(&DependencyHealth) -> String,
) -> String {
    let named = dependencies.iter().take(NAMED);
    let told: Vec<String> = named.map(|one| tell(one)).collect();
    let told = told.join("; ");
    match dependencies.len().saturating_sub(NAMED) {
        0 => told,
        more => format!("{told}; and {more} more"),
    }
}

fn plight(dependency: &DependencyHealth) -> String {
    let error = dependency.failure.as_ref();
    let error = error.map_or("no answer yet", |failure| &failure.message);
    format!("{}: {error}", dependency.name)
}

/// Whole seconds, rounded up: nothing is over before it says 0.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_millis().div_ceil(1000))
}
