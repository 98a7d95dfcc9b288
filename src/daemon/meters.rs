//! All metrics, and those of them that are read off the daemon's state and its
//! process whenever someone asks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics_process::collector;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeMetric, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::dependency::Name;
use crate::health::readiness::Readiness;
use crate::health::{Reader, Status};
use crate::shutdown::{Phase, PhaseReader};
use crate::telemetry::LostLines;

/// Renders all metrics.
#[derive(Debug)]
pub(super) struct Meters {
    registry: Registry,
}

impl Meters {
    /// The metrics that are read here; others register theirs. It must be made
    /// inside the runtime that it tells of.
    pub(super) fn new(health: Reader, phase: PhaseReader, lost: LostLines) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        registry.register_collector(Box::new(Runtime(Handle::current().metrics())));
        registry.register_collector(Box::new(State {
            readiness: Readiness { health, phase },
            lost,
            rendered: Mutex::default(),
        }));
        Self { registry }
    }

    pub(super) fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// When a drain has to be over, which is set when it begins. Its outcome
    /// would come too late: the process ends with it, and nobody asks again.
    pub(super) fn drain_deadline(&mut self) -> Gauge {
        let deadline = Gauge::default();
        self.registry.register(
            "budgetd_drain_deadline_timestamp_seconds",
            "When requests that are still in flight are cut, as Unix time; 0 before a drain has begun",
            deadline.clone(),
        );
        deadline
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

/// What the operating system says of this process.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let read = collector::collect();
        if let Some(seconds) = read.cpu_seconds_total {
            let help = "Total user and system CPU time spent in seconds.";
            counter(&mut encoder, "process_cpu_seconds", help, seconds)?;
        }
        for (name, help, value) in [
            (
                "process_open_fds",
                "Number of open file descriptors.",
                read.open_fds,
            ),
            (
                "process_max_fds",
                "Maximum number of open file descriptors.",
                read.max_fds,
            ),
            (
                "process_virtual_memory_bytes",
                "Virtual memory size in bytes.",
                read.virtual_memory_bytes,
            ),
            (
                "process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes.",
                read.virtual_memory_max_bytes,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory size in bytes.",
                read.resident_memory_bytes,
            ),
            (
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                read.start_time_seconds,
            ),
            (
                "process_threads",
                "Number of OS threads in the process.",
                read.threads,
            ),
        ] {
            if let Some(value) = value {
                gauges(&mut encoder, name, help, [([], value)])?;
            }
        }
        Ok(())
    }
}

/// What the asynchronous runtime says of itself.
#[derive(Debug)]
struct Runtime(RuntimeMetrics);

impl Collector for Runtime {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // A number that only ever grows is a task that nobody ended.
        gauges(
            &mut encoder,
            "budgetd_runtime_alive_tasks",
            "Tasks of the asynchronous runtime that have not ended.",
            [([], self.0.num_alive_tasks() as u64)],
        )
    }
}

/// What the daemon knows.
#[derive(Debug)]
struct State {
    readiness: Readiness,
    lost: LostLines,
    /// Names that were rendered: a reload may remove a dependency, and its
    /// last value must not stand for ever.
    rendered: Mutex<BTreeSet<Name>>,
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (published, now) = self.readiness.now();
        gauges(
            &mut encoder,
            "budgetd_phase",
            "1 for the phase that the daemon is in, by phase.",
            Phase::ALL.map(|phase| ([("phase", phase.as_str())], u64::from(phase == now))),
        )?;
        let open =
            now == Phase::Serving || now == Phase::Draining && self.readiness.phase.gate_opened();
        gauges(
            &mut encoder,
            "budgetd_gate_open",
            "Whether the API listener accepts.",
            [([], u64::from(open))],
        )?;
        counter(
            &mut encoder,
            "budgetd_log_lines_dropped",
            "Log lines that were lost because stdout stalled or could not be written to.",
            self.lost.count() as u64,
        )?;
        let ready = published.verdict.overall(now).is_ready();
        gauges(
            &mut encoder,
            "budgetd_ready",
            "Whether readiness answers 200.",
            [([], u64::from(ready))],
        )?;
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        let present = &published.snapshot.dependencies;
        rendered.extend(present.iter().map(|dependency| dependency.name.clone()));
        // A dependency that exists no more has no status.
        let statuses: Vec<(&str, Option<Status>)> = rendered
            .iter()
            .map(|name| {
                let found = published.snapshot.dependencies.get(name.as_str());
                (name.as_str(), found.map(|dependency| dependency.status))
            })
            .collect();
        gauges(
            &mut encoder,
            "budgetd_dependency_up",
            "Whether a dependency counts as up, by dependency.",
            statuses.iter().map(|(name, now)| {
                let up = now.is_some_and(Status::is_up);
                ([("dependency", *name)], u64::from(up))
            }),
        )?;
        gauges(
            &mut encoder,
            "budgetd_dependency_status",
            "1 for the status that a dependency has, by dependency and status.",
            statuses.iter().flat_map(|(name, now)| {
                Status::ALL.map(|status| {
                    let labels = [("dependency", *name), ("status", status.as_str())];
                    (labels, u64::from(*now == Some(status)))
                })
            }),
        )
    }
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeCounterValue,
) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(metric)
}

fn gauges<'a, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = ([(&'a str, &'a str); N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
