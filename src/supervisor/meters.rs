//! The supervisor's metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::monitor::Checked;
use crate::dependency::{ErrorKind, Name};
use crate::health::machine::TransitionKind;
use crate::telemetry::prometheus::{Durations, Label, Labels, durations};

/// What is counted of checks and monitors; clones share it.
#[derive(Debug, Clone)]
pub struct Meters {
    check_duration: Durations<1>,
    check_failures: Family<Labels<2>, Counter>,
    renewal_failures: Family<Labels<2>, Counter>,
    transitions: Family<Labels<2>, Counter>,
    restarts: Family<Labels<1>, Counter>,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            check_duration: durations(),
            check_failures: Family::default(),
            renewal_failures: Family::default(),
            transitions: Family::default(),
            restarts: Family::default(),
        }
    }

    /// Names each metric and says what it means; the registry ends the
    /// sentence, and the name of a counter with `_total`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "budgetd_check_duration_seconds",
            "How long checks took, by dependency",
            self.check_duration.clone(),
        );
        registry.register(
            "budgetd_check_failures",
            "Checks that failed, by dependency and error_kind",
            self.check_failures.clone(),
        );
        registry.register(
            "budgetd_session_renewal_failures",
            "Fresh sessions that could not be made while the old one answered, by dependency and error_kind",
            self.renewal_failures.clone(),
        );
        registry.register(
            "budgetd_dependency_transitions",
            "Transitions, by dependency and kind, also those that the log sums up as flapping",
            self.transitions.clone(),
        );
        registry.register(
            "budgetd_monitor_restarts",
            "Monitors that broke and were replaced, by dependency",
            self.restarts.clone(),
        );
    }

    /// Measures a check.
    pub(super) fn check(&self, name: &Name, checked: &Checked) {
        let labels = [dependency(name)];
        // Whoever watches for an increase must see the zero before it.
        self.restarts.get_or_create_owned(&labels);
        let took = checked.took.as_secs_f64();
        self.check_duration.get_or_create(&labels).observe(took);
        if let Err(failure) = &checked.result {
            let labels = [dependency(name), error_kind(failure.kind)];
            self.check_failures.get_or_create(&labels).inc();
        }
        if let Some(kind) = checked.renewal_failure {
            let labels = [dependency(name), error_kind(kind)];
            self.renewal_failures.get_or_create(&labels).inc();
        }
    }

    /// Counts a transition, also one that people are spared.
    pub(super) fn transition(&self, name: &Name, kind: TransitionKind) {
        let kind = ("transition", kind.as_str().into());
        self.transitions
            .get_or_create(&[dependency(name), kind])
            .inc();
    }

    /// Counts a replaced monitor.
    pub(super) fn restart(&self, name: &Name) {
        self.restarts.get_or_create(&[dependency(name)]).inc();
    }
}

fn dependency(name: &Name) -> Label {
    ("dependency", name.to_string().into())
}

fn error_kind(kind: ErrorKind) -> Label {
    ("error_kind", kind.as_str().into())
}
