//! The metrics of rate limits.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::Kind;
use crate::telemetry::prometheus::Labels;

/// Where a request was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// For all instances together.
    Redis,
    /// For this one alone.
    Instance,
}

/// What is counted of rate limits; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    requests: Family<Labels<3>, Counter>,
}

impl Meters {
    /// Names each metric and says what it means; the registry ends the
    /// sentence, and the name of a counter with `_total`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "budgetd_rate_limit_requests",
            "Requests that were held against a rate limit, by kind (read, write), where they were counted (redis, instance) and result (allowed, limited)",
            self.requests.clone(),
        );
    }

    pub(super) fn decision(&self, kind: Kind, place: Place, allowed: bool) {
        let place = match place {
            Place::Redis => "redis",
            Place::Instance => "instance",
        };
        let result = if allowed { "allowed" } else { "limited" };
        let labels = [
            ("kind", kind.as_str().into()),
            ("counted_in", place.into()),
            ("result", result.into()),
        ];
        self.requests.get_or_create_owned(&labels).inc();
    }
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}
