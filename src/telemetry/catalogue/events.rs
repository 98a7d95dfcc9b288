//! The events themselves, in the order of the page.

use super::{Event, OTHERS, Section};

const ERROR: &[&str] = &["error"];
const WARN: &[&str] = &["warn"];
const INFO: &[&str] = &["info"];
/// Debug under `/health` and on the admin listener.
const INFO_OR_DEBUG: &[&str] = &["info", "debug"];
/// Info of one that was never up, error of `down` of a required one.
const BAD_NEWS: &[&str] = &["error", "warn", "info"];
const ANY: &[&str] = &["error", "warn", "info", "debug", "trace"];

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

const REQUEST_FIELDS: &[&str] = &[
    "correlation_id",
    "method",
    "path",
    "client_host",
    "status_code?",
    "duration_ms",
];

const fn event(
    name: &'static str,
    levels: &'static [&'static str],
    when: &'static str,
    fields: &'static [&'static str],
) -> Event {
    Event {
        name,
        levels,
        when,
        fields,
    }
}

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "The life of the process",
        about: "",
        events: &[
            event(
                "application_startup_begin",
                INFO,
                "the configuration is valid, the admin listener is open, the API address is bound",
                &["version", "pid", "api", "admin?", "watched"],
            ),
            event(
                "cache_setup_configured",
                INFO,
                "at start, when the cache is watched",
                &["dependency", "policy", "url"],
            ),
            event(
                "listener_opened",
                INFO,
                "the gate has opened: the API listener accepts",
                &["listen"],
            ),
            event(
                "application_startup_complete",
                INFO,
                "directly after `listener_opened`",
                &["status", "startup_ms"],
            ),
            event(
                "application_shutdown_begin",
                INFO,
                "shutdown begins; readiness says `draining` from here on",
                &["reason", "signal?"],
            ),
            event(
                "application_failed",
                ERROR,
                "shutdown begins because of an error; before `application_shutdown_begin`",
                &["error"],
            ),
            event(
                "drain_begin",
                INFO,
                "the gate was open and shutdown has begun",
                &["drain_delay_ms", "drain_timeout_ms"],
            ),
            event(
                "listener_closed",
                INFO,
                "the drain delay is over: the API listener accepts no more, and requests in flight go on",
                &["listen"],
            ),
            event(
                "drain_timeout_exceeded",
                WARN,
                "requests were still in flight after `drain_timeout` and were cut",
                &["requests", "held_by"],
            ),
            event(
                "drain_complete",
                INFO,
                "every connection of the API is closed",
                &["duration_ms", "drain_timeout_exceeded"],
            ),
            event(
                "database_pool_closed",
                INFO,
                "the connections that requests used are closed; directly after the sessions of checks",
                &[],
            ),
            event(
                "application_shutdown_complete",
                INFO,
                "everything is closed; the last line",
                &["duration_ms"],
            ),
            event(
                "application_shutdown_forced",
                WARN,
                "a second SIGTERM or SIGINT: the process ends at once",
                &["signal"],
            ),
            event(
                "clock_gap",
                WARN,
                "the whole process stood still (a paused machine, no processor time); it is counted against no dependency",
                &["gap_ms"],
            ),
            event(
                "status_dump",
                INFO,
                "SIGUSR1",
                &["status", "phase", "dependencies"],
            ),
            event(
                "log_lines_lost",
                WARN,
                "stdout takes lines again after some were lost",
                &["lines", "total"],
            ),
            event(
                "trace_export_failed",
                WARN,
                "the first time that the collector does not take spans, after it did or at all; built with the feature `otel`",
                &["error"],
            ),
            event("trace_export_resumed", INFO, "it does again", &[]),
            event(
                "systemd_notify_failed",
                WARN,
                "the service manager could not be told something, for the first time since it last could",
                &["error"],
            ),
        ],
    },
    Section {
        title: "Configuration",
        about: "",
        events: &[
            event(
                "config_invalid",
                ERROR,
                "at start, before exit code 78, when stdout is no terminal; people read the same on stderr",
                &["problems"],
            ),
            event(
                "config_warning",
                WARN,
                "at start or reload: something was accepted and ignored, or cannot be as it was asked for",
                &[],
            ),
            event(
                "config_reloaded",
                INFO,
                "SIGHUP: the new configuration is in force",
                &[
                    "added?",
                    "changed?",
                    "removed?",
                    "needs_restart?",
                    "hidden?",
                ],
            ),
            event(
                "config_reload_failed",
                ERROR,
                "SIGHUP: the old configuration stays in force",
                &["problems"],
            ),
            event(
                "file_limit_too_low",
                WARN,
                "at start: fewer files may be open than `api.max_connections` needs",
                &["limit", "needed", "max_connections"],
            ),
        ],
    },
    Section {
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
    },
    Section {
        title: "Requests",
        about: "",
        events: &[
            event(
                "request_completed",
                INFO_OR_DEBUG,
                "the last byte of a response was handed over; debug under `/health` and on the admin listener",
                REQUEST_FIELDS,
            ),
            event(
                "request_aborted",
                INFO_OR_DEBUG,
                "the client left before that; debug as above",
                REQUEST_FIELDS,
            ),
            event(
                "request_failed",
                ERROR,
                "something is wrong with this program or its settings; `request_completed` follows if there was a response",
                &[
                    "correlation_id",
                    "method",
                    "path",
                    "client_host?",
                    "status_code?",
                    "error_type",
                    "error?",
                    "duration_ms?",
                ],
            ),
            event(
                "accept_paused",
                WARN,
                "no connection can be accepted: file descriptors have run out",
                &["error", "connections", "hint"],
            ),
            event("accept_resumed", INFO, "they can again", &[]),
        ],
    },
    Section {
        title: "Tokens",
        about: "",
        events: &[
            event(
                "auth_not_configured",
                WARN,
                "at start or reload: neither a secret nor a key set is configured, so every token is refused",
                &[],
            ),
            event(
                "auth_keys_loaded",
                INFO,
                "the key set was fetched for the first time, has changed, or can be had again",
                &["url", "keys", "ignored"],
            ),
            event(
                "auth_keys_unavailable",
                WARN,
                "the first fetch of the key set that failed after one that was answered, or at start; the old keys are used on",
                &["url", "error", "error_kind", "hint"],
            ),
        ],
    },
    Section {
        title: "Libraries",
        about: "",
        events: &[event(
            "library_message",
            ANY,
            "a library wrote a line",
            &["target", OTHERS],
        )],
    },
];
