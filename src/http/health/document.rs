//! How the state of dependencies is written as JSON; the only place that does.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::VERSION;
use crate::dependency::{CACHE, DATABASE, Name, SUPABASE_AUTH};
use crate::health::{DependencyHealth, Published, Roll, Snapshot, Status};
use crate::shutdown::Course;

/// With more dependencies than this, readiness tells counts and what is wrong.
const MAX_CHECKS: usize = 100;

/// The part of a readiness document that only changes with the snapshot:
/// `"checks":{…}`, with `"counts":{…},` before it when there are more than 100
/// dependencies.
pub fn render(snapshot: &Snapshot) -> Bytes {
    let all = &snapshot.dependencies;
    if all.len() <= MAX_CHECKS {
        let all: Vec<_> = all.iter().collect();
        return checks(&all).into();
    }
    let mut fragment = b"\"counts\":".to_vec();
    write(&mut fragment, &Counts(all));
    fragment.push(b',');
    let told = all.wrong_and(&[DATABASE, CACHE, SUPABASE_AUTH]);
    fragment.extend_from_slice(&checks(&told));
    fragment.into()
}

/// `"checks":{…}` of exactly these.
pub(super) fn checks(dependencies: &[&Arc<DependencyHealth>]) -> Vec<u8> {
    let mut fragment = b"\"checks\":".to_vec();
    write(&mut fragment, &Checks(dependencies));
    fragment
}

/// Serializing these types to memory cannot fail: keys are texts, numbers are
/// finite.
fn write(buffer: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(buffer, value);
    debug_assert!(written.is_ok(), "{written:?}");
}

pub(super) struct Counts<'a>(pub(super) &'a Roll);

impl Serialize for Counts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = |status| self.0.tally().of(status);
        let total = std::iter::once(("total", self.0.len()));
        let by_status = Status::ALL.map(|status| (status.as_str(), count(status)));
        serializer.collect_map(total.chain(by_status))
    }
}

struct Checks<'a>(&'a [&'a Arc<DependencyHealth>]);

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|d| (d.name.as_str(), Check::of(d))))
    }
}

/// One check of the readiness document.
#[derive(Serialize)]
struct Check<'a> {
    status: &'static str,
    policy: &'static str,
    #[serde(flatten)]
    cache: Option<CacheCheck<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(flatten)]
    failing: Option<Failing<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_by: Option<&'a str>,
    since: String,
}

/// What the check called `cache` always says.
#[derive(Serialize)]
struct CacheCheck<'a> {
    enabled: bool,
    initialized: bool,
    url: &'a str,
}

#[derive(Serialize)]
struct Failing<'a> {
    error: &'a str,
    error_kind: &'static str,
    failures: u32,
}

impl<'a> Check<'a> {
    fn of(dependency: &'a DependencyHealth) -> Self {
        let cache = (dependency.name.as_str() == CACHE).then(|| CacheCheck {
            enabled: dependency.status.counts(),
            initialized: dependency.initialized,
            url: &dependency.url,
        });
        let is_failing = matches!(
            dependency.status,
            Status::Starting | Status::Failing | Status::Error
        );
        let failure = dependency.failure.as_ref().filter(|_| is_failing);
        Self {
            status: dependency.status.as_str(),
            policy: dependency.policy.as_str(),
            cache,
            latency_ms: dependency
                .latency
                .filter(|_| dependency.status.is_up())
                .map(latency_ms),
            note: dependency.note.as_deref(),
            failing: failure.map(|failure| Failing {
                error: &failure.message,
                error_kind: failure.kind.as_str(),
                failures: dependency.failures,
            }),
            blocked_by: dependency.blocked_by.as_ref().map(Name::as_str),
            since: timestamp(dependency.since),
        }
    }
}

/// `GET /status`: everything that is known, for `budgetd status` and people.
#[derive(Serialize)]
pub(in crate::http) struct StatusDocument<'a> {
    #[serde(flatten)]
    daemon: StatusOfDaemon,
    /// In start order.
    dependencies: Vec<StatusOfDependency<'a>>,
}

/// What is told of the daemon as a whole.
#[derive(Serialize)]
pub(super) struct StatusOfDaemon {
    /// What readiness says.
    status: &'static str,
    phase: &'static str,
    phase_since: String,
    gate_opened: bool,
    gate_opened_at: Option<String>,
    version: &'static str,
    pid: u32,
    uptime_seconds: f64,
    timestamp: String,
    /// Grows with each change of the snapshot.
    sequence: u64,
}

/// Absent is `null` here, so that every key is always there.
#[derive(Serialize)]
pub(super) struct StatusOfDependency<'a> {
    name: &'a str,
    kind: &'static str,
    policy: &'static str,
    needs: Vec<&'a str>,
    /// Without user and password; empty when there is none.
    url: &'a str,
    status: &'static str,
    since: String,
    /// The first need that is not up.
    blocked_by: Option<&'a str>,
    /// Whether it has been up since the process started.
    initialized: bool,
    /// Of the last check that passed.
    latency_ms: Option<f64>,
    note: Option<&'a str>,
    error: Option<&'a str>,
    error_kind: Option<&'static str>,
    /// What a person should do about the error.
    hint: Option<&'static str>,
    /// Failures in a row.
    failures: u32,
    /// Checks since the process started.
    attempts: u64,
    last_checked: Option<String>,
}

impl<'a> StatusDocument<'a> {
    pub(super) fn new(published: &'a Published, course: Course, uptime_seconds: f64) -> Self {
        Self {
            daemon: StatusOfDaemon::new(published, course, uptime_seconds),
            dependencies: published
                .snapshot
                .dependencies
                .iter()
                .map(|dependency| StatusOfDependency::of(dependency))
                .collect(),
        }
    }
}

impl StatusOfDaemon {
    pub(super) fn new(published: &Published, course: Course, uptime_seconds: f64) -> Self {
        Self {
            status: published.verdict.overall(course.phase).as_str(),
            phase: course.phase.as_str(),
            phase_since: timestamp(course.since),
            gate_opened: course.opened_at.is_some(),
            gate_opened_at: course.opened_at.map(timestamp),
            version: VERSION,
            pid: std::process::id(),
            // One decimal.
            uptime_seconds: (uptime_seconds * 10.0).round() / 10.0,
            timestamp: timestamp(Timestamp::now()),
            sequence: published.snapshot.sequence,
        }
    }
}

impl<'a> StatusOfDependency<'a> {
    pub(super) fn of(dependency: &'a DependencyHealth) -> Self {
        let failure = dependency.failure.as_ref();
        Self {
            name: dependency.name.as_str(),
            kind: dependency.kind.as_str(),
            policy: dependency.policy.as_str(),
            needs: dependency.needs.iter().map(Name::as_str).collect(),
            url: &dependency.url,
            status: dependency.status.as_str(),
            since: timestamp(dependency.since),
            blocked_by: dependency.blocked_by.as_ref().map(Name::as_str),
            initialized: dependency.initialized,
            latency_ms: dependency.latency.map(latency_ms),
            note: dependency.note.as_deref(),
            error: failure.map(|failure| failure.message.as_str()),
            error_kind: failure.map(|failure| failure.kind.as_str()),
            hint: failure.map(|failure| failure.kind.hint(dependency.kind)),
            failures: dependency.failures,
            attempts: dependency.attempts,
            last_checked: dependency.last_checked.map(timestamp),
        }
    }
}

/// RFC 3339, UTC, milliseconds.
pub(super) fn timestamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Two decimals: a loopback check takes a fraction of a millisecond.
pub(super) fn latency_ms(latency: std::time::Duration) -> f64 {
    (latency.as_secs_f64() * 100_000.0).round() / 100.0
}
