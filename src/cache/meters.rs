//! The cache's metrics.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::client::{Operation, Unanswered};
use crate::dependency::ErrorKind;

const BYPASSED: &str = "budgetd_cache_bypassed";
const FAULTS: &str = "budgetd_cache_faults_total";
const OPERATIONS: &str = "budgetd_cache_operations_total";
const FAILURES: &str = "budgetd_cache_operation_failures_total";
const DURATION: &str = "budgetd_cache_operation_duration_seconds";

/// Says what each metric means.
pub fn describe() {
    describe_gauge!(
        BYPASSED,
        "Whether requests go without Redis: it is off, down, or has failed a request and not passed a check since."
    );
    describe_counter!(
        FAULTS,
        "How often Redis failed a request or a connection for requests, by error_kind; each begins a bypass."
    );
    describe_counter!(
        OPERATIONS,
        "Operations for requests, by operation (get, set, script) and result (answered, bypassed, failed)."
    );
    describe_counter!(
        FAILURES,
        "Operations that Redis refused or failed, by operation and error_kind."
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "How long operations took that were not bypassed, by operation."
    );
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

pub(super) fn bypassed(bypassed: bool) {
    gauge!(BYPASSED).set(f64::from(u8::from(bypassed)));
}

/// Counts what begins a bypass.
pub(super) fn fault(kind: ErrorKind) {
    counter!(FAULTS, "error_kind" => kind.as_str()).increment(1);
}

/// Measures an operation; `unanswered` is why it has no answer, if so.
pub(super) fn operation(operation: Operation, took: Duration, unanswered: Option<&Unanswered>) {
    let name = operation.as_str();
    let result = match unanswered {
        None => "answered",
        Some(Unanswered::Bypassed) => "bypassed",
        Some(Unanswered::Failed(failure)) => {
            let kind = failure.kind.as_str();
            counter!(FAILURES, "operation" => name, "error_kind" => kind).increment(1);
            "failed"
        }
    };
    counter!(OPERATIONS, "operation" => name, "result" => result).increment(1);
    if result != "bypassed" {
        histogram!(DURATION, "operation" => name).record(took);
    }
}
