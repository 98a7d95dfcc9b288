//! What becomes of dependencies.

use super::{ERROR, INFO, WARN, event};
use crate::telemetry::catalogue::Section;

/// Info of one that was never up, error of `down` of a required one.
const BAD_NEWS: &[&str] = &["error", "warn", "info"];

const NEWS_FIELDS: &[&str] = &[
    "dependency",
    "policy",
    "status",
    "previous",
    "transition",
    "attempt",
    "latency_ms?",
    "note?",
];

const BAD_NEWS_FIELDS: &[&str] = &[
    "dependency",
    "policy",
    "status?",
    "previous?",
    "transition?",
    "reminder?",
    "down_for_seconds?",
    "blocked_by?",
    "error?",
    "error_kind?",
    "hint?",
    "attempt?",
    "latency_ms?",
    "note?",
];

pub(super) const DEPENDENCIES: Section = Section {
    title: "Dependencies",
    about: "Lines about a transition carry `transition`, and successes are not repeated. The level is \
            info for `ready` and `recovered`, error for `down` of a required dependency, info for \
            `blocked` of one that was never up, warn otherwise. `hint` stands while it is not up, \
            `latency_ms` while it is.\n\n\
            The built-in dependencies `database`, `cache` and `supabase_auth` use the names that \
            dashboards search for, all others those that begin with `dependency_`.\n\n\
            What stays down is recalled once a minute at most: the event of `down` again, level warn, \
            with `reminder` and `down_for_seconds`, without `previous` and `transition`.",
    events: &[
        event(
            "database_health_check_success",
            INFO,
            "`database`: ready, recovered",
            NEWS_FIELDS,
        ),
        event(
            "database_health_check_failed",
            BAD_NEWS,
            "`database`: failing, down, blocked",
            BAD_NEWS_FIELDS,
        ),
        event(
            "database_health_check_timeout",
            BAD_NEWS,
            "the same, when the last failure was a timeout",
            BAD_NEWS_FIELDS,
        ),
        event(
            "cache_initialization_success",
            INFO,
            "`cache`: ready, recovered",
            NEWS_FIELDS,
        ),
        event(
            "cache_disabled_or_unavailable",
            BAD_NEWS,
            "`cache`: failing, down, blocked; also at start when it is disabled or has no URL (info; only `dependency` and `policy`)",
            BAD_NEWS_FIELDS,
        ),
        event(
            "supabase_auth_check_success",
            INFO,
            "`supabase_auth`: ready, recovered",
            NEWS_FIELDS,
        ),
        event(
            "supabase_auth_check_failed",
            BAD_NEWS,
            "`supabase_auth`: failing, down, blocked",
            BAD_NEWS_FIELDS,
        ),
        event("dependency_ready", INFO, "ready", NEWS_FIELDS),
        event("dependency_failing", WARN, "failing", BAD_NEWS_FIELDS),
        event(
            "dependency_down",
            &["error", "warn"],
            "down",
            BAD_NEWS_FIELDS,
        ),
        event("dependency_recovered", INFO, "recovered", NEWS_FIELDS),
        event(
            "dependency_blocked",
            &["warn", "info"],
            "blocked",
            BAD_NEWS_FIELDS,
        ),
        event(
            "dependency_flapping",
            &["warn", "info"],
            "a dependency left `ok` more than 6 times within a minute: one line a minute in place of its transitions; info, with `calmed` and without `flaps`, once it has calmed down",
            &[
                "dependency",
                "policy",
                "status",
                "flaps?",
                "error?",
                "error_kind?",
                "calmed?",
            ],
        ),
        event(
            "probe_restarted",
            ERROR,
            "a monitor panicked or was silent for too long, and is replaced",
            &["dependency", "error", "restarts", "delay_ms"],
        ),
        event(
            "schema_migrated",
            INFO,
            "migrations were applied to the database",
            &["from", "to", "duration_ms"],
        ),
        event(
            "dependency_closed",
            INFO,
            "shutdown: the session that checked a dependency is closed",
            &["dependency"],
        ),
        event(
            "redis_client_closed",
            INFO,
            "shutdown: the connection of requests to `cache` is closed; unless it is disabled or has no URL",
            &["dependency"],
        ),
    ],
};
