//! The life of the process.

use super::{ERROR, INFO, WARN, event};
use crate::telemetry::catalogue::Section;

pub(super) const PROCESS: Section = Section {
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
};
