//! What an open status page is told: everything at first, then what changed.

use std::sync::Arc;

use serde::Serialize;

use super::HealthEndpoint;
use super::document::{Counts, StatusOfDaemon, StatusOfDependency, latency_ms, timestamp};
use crate::dependency::Name;
use crate::health::history::Moment;
use crate::health::{DependencyHealth, Published, Roll};
use crate::shutdown::Course;

/// A page shows so many dependencies. When there are more, it shows those that
/// are not ok, also up to this many.
const MAX_SHOWN: usize = 200;

/// What a page was told last.
#[derive(Debug)]
pub(in crate::http) struct Told {
    shown: Vec<Arc<DependencyHealth>>,
    moments: u64,
}

/// What to tell a page now, as JSON.
#[derive(Debug)]
pub(in crate::http) enum Update {
    /// What it knew counts no more.
    Whole(String),
    /// Of lists, only what is new.
    Change(String),
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    daemon: StatusOfDaemon,
    /// Why nothing here can be relied on.
    broken: Option<String>,
    counts: Counts<'a>,
    /// In start order.
    dependencies: Vec<Shown<'a>>,
    /// Oldest first.
    timeline: Vec<MomentDocument<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: StatusOfDependency<'a>,
    latencies: Vec<Option<f64>>,
    /// How many latencies there have ever been: who has missed some knows.
    latencies_taken: u64,
}

#[derive(Serialize)]
struct MomentDocument<'a> {
    number: u64,
    at: String,
    dependency: &'a str,
    policy: &'static str,
    transition: &'static str,
    previous: &'static str,
    status: &'static str,
    blocked_by: Option<&'a str>,
    error: Option<&'a str>,
    error_kind: Option<&'static str>,
}

impl HealthEndpoint {
    /// What a page is to be told that knows what is in `told`, which is
    /// brought up to date.
    pub(in crate::http) fn update(&self, told: &mut Option<Told>) -> Update {
        let (published, course) = self.readiness.course();
        let shown = shown(&published.snapshot.dependencies);
        let known = told.take().filter(|told| same_names(&told.shown, &shown));
        let text = self.document((&published, course), &shown, known.as_ref());
        let is_whole = known.is_none();
        *told = Some(Told {
            shown: shown.into_iter().cloned().collect(),
            moments: published.snapshot.timeline.happened(),
        });
        if is_whole {
            Update::Whole(text)
        } else {
            Update::Change(text)
        }
    }

    fn document(
        &self,
        (published, course): (&Published, Course),
        shown: &[&Arc<DependencyHealth>],
        known: Option<&Told>,
    ) -> String {
        let before = |place: usize| known.map(|told| &told.shown[place]);
        let document = Document {
            daemon: StatusOfDaemon::new(published, course, self.uptime_seconds()),
            broken: (self.liveness)().err(),
            counts: Counts(&published.snapshot.dependencies),
            dependencies: shown
                .iter()
                .enumerate()
                .map(|(place, now)| (*now, before(place)))
                .filter(|(now, before)| !before.is_some_and(|before| Arc::ptr_eq(before, now)))
                .map(|(now, before)| Shown::of(now, before))
                .collect(),
            timeline: published
                .snapshot
                .timeline
                .after(known.map_or(0, |told| told.moments))
                .map(MomentDocument::of)
                .collect(),
        };
        // Keys are texts and numbers are finite: this cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

fn shown(all: &Roll) -> Vec<&Arc<DependencyHealth>> {
    if all.len() <= MAX_SHOWN {
        return all.iter().collect();
    }
    all.wrong().take(MAX_SHOWN).collect()
}

fn same_names(told: &[Arc<DependencyHealth>], shown: &[&Arc<DependencyHealth>]) -> bool {
    let names = shown.iter().map(|dependency| &dependency.name);
    told.iter().map(|dependency| &dependency.name).eq(names)
}

impl<'a> Shown<'a> {
    fn of(now: &'a DependencyHealth, before: Option<&Arc<DependencyHealth>>) -> Self {
        let seen = before.map_or(0, |before| before.latencies.taken());
        let latencies = now.latencies.after(seen);
        Self {
            status: StatusOfDependency::of(now),
            latencies: latencies.map(|sample| sample.map(latency_ms)).collect(),
            latencies_taken: now.latencies.taken(),
        }
    }
}

impl<'a> MomentDocument<'a> {
    fn of(moment: &'a Moment) -> Self {
        let dependency = &moment.dependency;
        let failure = dependency.failure.as_ref();
        Self {
            number: moment.number,
            at: timestamp(moment.at),
            dependency: dependency.name.as_str(),
            policy: dependency.policy.as_str(),
            transition: moment.transition.kind.as_str(),
            previous: moment.transition.previous.as_str(),
            status: moment.transition.status.as_str(),
            blocked_by: dependency.blocked_by.as_ref().map(Name::as_str),
            error: failure.map(|failure| failure.message.as_str()),
            error_kind: failure.map(|failure| failure.kind.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
