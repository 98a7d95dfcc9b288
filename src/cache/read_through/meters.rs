//! The metrics of values.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Found, ReadError};
use crate::telemetry::prometheus::Labels;

/// What is counted of values; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ReadMeters {
    requests: Family<Labels<1>, Counter>,
    pub(super) memory_hits: Counter,
    pub(super) computed: Counter,
    pub(super) unreadable: Counter,
    pub(super) not_kept: Counter,
}

impl ReadMeters {
    /// Names each metric and says what it means; the registry ends the
    /// sentence, and the name of a counter with `_total`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "budgetd_cache_requests",
            "Values that requests asked for, by result (hit, miss, bypass, overloaded, failed)",
            self.requests.clone(),
        );
        registry.register(
            "budgetd_cache_memory_hits",
            "Hits for which Redis was not asked",
            self.memory_hits.clone(),
        );
        registry.register(
            "budgetd_cache_computed",
            "Values that were computed; requests that waited for the same one share it",
            self.computed.clone(),
        );
        registry.register(
            "budgetd_cache_unreadable",
            "Values in Redis that were damaged or not ours, and were computed anew",
            self.unreadable.clone(),
        );
        registry.register(
            "budgetd_cache_not_kept",
            "Values that were not handed to Redis: too large, or too many at once",
            self.not_kept.clone(),
        );
    }

    /// Counts a value that a request asked for.
    pub(super) fn read<E>(&self, found: &Result<Found, ReadError<E>>) {
        let result = match found {
            Ok(found) => found.outcome.as_str(),
            Err(ReadError::Overloaded) => "overloaded",
            Err(ReadError::Failed(_) | ReadError::Broken) => "failed",
        };
        let labels = [("result", result.into())];
        self.requests.get_or_create_owned(&labels).inc();
    }
}
