//! The metrics that are read off the daemon's state whenever someone asks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{SetRecorderError, Unit, describe_counter, describe_gauge, gauge};
use metrics_process::Collector;

use crate::dependency::Name;
use crate::health::{Reader, Status};
use crate::shutdown::{Phase, PhaseReader};
use crate::telemetry::DroppedLines;
use crate::telemetry::prometheus::Recorder;
use crate::{cache, http, supervisor};

/// Renders all metrics.
#[derive(Debug, Clone)]
pub(super) struct Meters {
    recorder: Recorder,
    process: Collector,
    health: Reader,
    phase: PhaseReader,
    dropped: DroppedLines,
    /// Names that were rendered: a reload may remove a dependency, and its
    /// last value must not stand for ever.
    rendered: Arc<Mutex<BTreeSet<Name>>>,
}

impl Meters {
    /// Installs the recorder of this process.
    pub(super) fn install(
        health: Reader,
        phase: PhaseReader,
        dropped: DroppedLines,
    ) -> Result<Self, SetRecorderError<Recorder>> {
        let recorder = Recorder::install()?;
        let process = Collector::default();
        process.describe();
        supervisor::describe_metrics();
        http::metrics::describe();
        cache::describe_metrics();
        describe();
        Ok(Self {
            recorder,
            process,
            health,
            phase,
            dropped,
            rendered: Arc::default(),
        })
    }

    pub(super) fn render(&self) -> String {
        self.process.collect();
        self.read_state();
        self.recorder.render()
    }

    fn read_state(&self) {
        let now = self.phase.get();
        for phase in Phase::ALL {
            gauge!("budgetd_phase", "phase" => phase.as_str()).set(truth(phase == now));
        }
        let open = now == Phase::Serving || now == Phase::Draining && self.phase.gate_opened();
        gauge!("budgetd_gate_open").set(truth(open));
        metrics::counter!("budgetd_log_lines_dropped_total").absolute(self.dropped.count() as u64);
        let published = self.health.current();
        let ready = published.verdict.overall(now).is_ready();
        gauge!("budgetd_ready").set(truth(ready));
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *rendered);
        for dependency in &published.snapshot.dependencies {
            gone.remove(&dependency.name);
            rendered.insert(dependency.name.clone());
            set_dependency(&dependency.name, Some(dependency.status));
        }
        for name in gone {
            set_dependency(&name, None);
        }
    }
}

/// Sets the gauges of a dependency; `None` when it exists no more.
fn set_dependency(name: &Name, now: Option<Status>) {
    let name = name.to_string();
    let up = truth(now.is_some_and(Status::is_up));
    gauge!("budgetd_dependency_up", "dependency" => name.clone()).set(up);
    for status in Status::ALL {
        let labels = [("dependency", name.clone()), ("status", status.to_string())];
        gauge!("budgetd_dependency_status", &labels).set(truth(Some(status) == now));
    }
}

fn describe() {
    describe_gauge!(
        "budgetd_phase",
        "1 for the phase that the daemon is in, by phase."
    );
    describe_gauge!("budgetd_gate_open", "Whether the API listener accepts.");
    describe_gauge!("budgetd_ready", "Whether readiness answers 200.");
    describe_gauge!(
        "budgetd_dependency_up",
        "Whether a dependency counts as up, by dependency."
    );
    describe_gauge!(
        "budgetd_dependency_status",
        "1 for the status that a dependency has, by dependency and status."
    );
    describe_counter!(
        "budgetd_log_lines_dropped_total",
        Unit::Count,
        "Log lines that were dropped because stdout stalled."
    );
}

fn truth(value: bool) -> f64 {
    f64::from(u8::from(value))
}
