//! The cache's metrics.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::client::{Operation, Unanswered};
use crate::dependency::ErrorKind;
use crate::telemetry::prometheus::{Durations, Label, Labels, durations};

/// What is counted of requests to Redis; clones share it.
#[derive(Debug, Clone)]
pub struct Meters {
    bypassed: Gauge,
    faults: Family<Labels<1>, Counter>,
    operations: Family<Labels<2>, Counter>,
    failures: Family<Labels<2>, Counter>,
    duration: Durations<1>,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            bypassed: Gauge::default(),
            faults: Family::default(),
            operations: Family::default(),
            failures: Family::default(),
            duration: durations(),
        }
    }

    /// Names each metric and says what it means; the registry ends the
    /// sentence, and the name of a counter with `_total`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "budgetd_cache_bypassed",
            "Whether requests go without Redis: it is off, down, or has failed a request and not passed a check since",
            self.bypassed.clone(),
        );
        registry.register(
            "budgetd_cache_faults",
            "How often Redis failed a request or a connection for requests, by error_kind; each begins a bypass",
            self.faults.clone(),
        );
        registry.register(
            "budgetd_cache_operations",
            "Operations for requests, by operation (get, set, script) and result (answered, bypassed, failed)",
            self.operations.clone(),
        );
        registry.register(
            "budgetd_cache_operation_failures",
            "Operations that Redis refused or failed, by operation and error_kind",
            self.failures.clone(),
        );
        registry.register(
            "budgetd_cache_operation_duration_seconds",
            "How long operations took that were not bypassed, by operation",
            self.duration.clone(),
        );
    }

    pub(super) fn bypassed(&self, bypassed: bool) {
        self.bypassed.set(i64::from(bypassed));
    }

    /// Counts what begins a bypass.
    pub(super) fn fault(&self, kind: ErrorKind) {
        self.faults.get_or_create_owned(&[error_kind(kind)]).inc();
    }

    /// Measures an operation; `unanswered` is why it has no answer, if so.
    pub(super) fn operation(
        &self,
        operation: Operation,
        took: Duration,
        unanswered: Option<&Unanswered>,
    ) {
        let name: Label = ("operation", operation.as_str().into());
        let result = match unanswered {
            None => "answered",
            Some(Unanswered::Bypassed) => "bypassed",
            Some(Unanswered::Failed(failure)) => {
                let labels = [name.clone(), error_kind(failure.kind)];
                self.failures.get_or_create_owned(&labels).inc();
                "failed"
            }
        };
        let labels = [name.clone(), ("result", result.into())];
        self.operations.get_or_create_owned(&labels).inc();
        if result != "bypassed" {
            let took = took.as_secs_f64();
            self.duration.get_or_create_owned(&[name]).observe(took);
        }
    }
}

fn error_kind(kind: ErrorKind) -> Label {
    ("error_kind", kind.as_str().into())
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Script => "script",
        }
    }
}
