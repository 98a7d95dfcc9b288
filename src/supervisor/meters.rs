//! The supervisor's metrics.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use super::monitor::Checked;
use crate::dependency::Name;
use crate::health::machine::TransitionKind;

const CHECK_DURATION: &str = "budgetd_check_duration_seconds";
const CHECK_FAILURES: &str = "budgetd_check_failures_total";
const RENEWAL_FAILURES: &str = "budgetd_session_renewal_failures_total";
const TRANSITIONS: &str = "budgetd_dependency_transitions_total";
const RESTARTS: &str = "budgetd_monitor_restarts_total";

/// Says what each metric means.
pub fn describe() {
    describe_histogram!(
        CHECK_DURATION,
        Unit::Seconds,
        "How long checks took, by dependency."
    );
    describe_counter!(
        CHECK_FAILURES,
        "Checks that failed, by dependency and error_kind."
    );
    describe_counter!(
        RENEWAL_FAILURES,
        "Fresh sessions that could not be made while the old one answered, by dependency and error_kind."
    );
    describe_counter!(
        TRANSITIONS,
        "Transitions, by dependency and kind, also those that the log sums up as flapping."
    );
    describe_counter!(
        RESTARTS,
        "Monitors that broke and were replaced, by dependency."
    );
}

/// Measures a check.
pub(super) fn check(name: &Name, checked: &Checked) {
    let name = name.to_string();
    // Whoever watches for an increase must see the zero before it.
    counter!(RESTARTS, "dependency" => name.clone()).increment(0);
    histogram!(CHECK_DURATION, "dependency" => name.clone()).record(checked.took);
    if let Err(failure) = &checked.result {
        let kind = failure.kind.as_str();
        counter!(CHECK_FAILURES, "dependency" => name.clone(), "error_kind" => kind).increment(1);
    }
    if let Some(kind) = checked.renewal_failure {
        counter!(RENEWAL_FAILURES, "dependency" => name, "error_kind" => kind.as_str())
            .increment(1);
    }
}

/// Counts a transition, also one that people are spared.
pub(super) fn transition(name: &Name, kind: TransitionKind) {
    counter!(TRANSITIONS, "dependency" => name.to_string(), "transition" => kind.as_str())
        .increment(1);
}

/// Counts a replaced monitor.
pub(super) fn restart(name: &Name) {
    counter!(RESTARTS, "dependency" => name.to_string()).increment(1);
}
