//! What each field is. A name means the same in all events and has one type,
//! as indexes of log lines want it.

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Number,
    /// It stands only where it is true.
    True,
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

const fn text(name: &'static str, about: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Text,
        about,
    }
}

const fn number(name: &'static str, about: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Number,
        about,
    }
}

const fn truth(name: &'static str, about: &'static str) -> Field {
    Field {
        name,
        kind: Kind::True,
        about,
    }
}

pub(super) const FIELDS: &[Field] = &[
    text("timestamp", "RFC 3339, UTC, milliseconds"),
    text("level", "`error`, `warn`, `info`, `debug` or `trace`"),
    text("event", "a name from this page"),
    text(
        "message",
        "a sentence for people; it may change in any version",
    ),
    text("service", "`budgetd`"),
    text(
        "environment",
        "`ENVIRONMENT`, or `production`; `unknown` in `config_invalid`",
    ),
    text(
        "trace_id",
        "the trace that the request belongs to: that of its `traceparent`, or a new one",
    ),
    text("span_id", "what budgetd does in it for this request"),
    text("added", "dependencies that are new"),
    text(
        "admin",
        "the address of the admin listener, if there is one",
    ),
    text("api", "the address of the API listener"),
    number("attempt", "checks of the dependency since the start"),
    text("blocked_by", "the need that is not up"),
    truth("calmed", "it flaps no more"),
    text("changed", "dependencies whose settings have changed"),
    text(
        "client_host",
        "the client's address, behind trusted proxies; `unix` on a socket",
    ),
    number("connections", "how many are open"),
    text(
        "correlation_id",
        "what `X-Correlation-ID` of the response says",
    ),
    number("delay_ms", "after how long it is tried again"),
    text(
        "dependencies",
        "all of them, with their statuses and failures",
    ),
    text("dependency", "its name"),
    number("down_for_seconds", "since when it is down"),
    number("drain_delay_ms", "how long serving goes on"),
    number("drain_timeout_exceeded", "requests that were cut"),
    number("drain_timeout_ms", "how long requests in flight have"),
    number("duration_ms", "how long it took"),
    text("error", "what went wrong, without secrets"),
    text("error_kind", "one of the kinds that the README explains"),
    text(
        "error_type",
        "`panic`; `timeout`: the response did not begin within `request_timeout`; `response`: it broke off; `internal`: a fault that the client is not told of",
    ),
    number("flaps", "how often it left `ok` within a minute"),
    number("from", "the version of the schema before; 0 is none"),
    number("gap_ms", "how long the process stood still"),
    text("held_by", "the requests, by method and route"),
    text("hidden", "changes in files that the environment hides"),
    text("hint", "what to do about it"),
    number("ignored", "keys of the set that cannot verify tokens"),
    number("keys", "keys of the set that can verify tokens"),
    number("latency_ms", "how long the last check took"),
    number("limit", "how many files may be open"),
    number("lines", "how many were lost since the last such line"),
    text("listen", "the address of the listener"),
    number("max_connections", "`api.max_connections`"),
    text("method", "of the request"),
    number("needed", "how many files may have to be open"),
    text("needs_restart", "changed keys that wait for a restart"),
    text("note", "something to know although the check passed"),
    text("path", "of the request, without its query"),
    text("phase", "`starting`, `serving`, `draining` or `stopped`"),
    number("pid", "the process"),
    text("policy", "of the dependency"),
    text("previous", "the status before"),
    text("problems", "every one that was found, with its place"),
    text("reason", "why the process stops"),
    truth("reminder", "nothing has changed: it is still down"),
    text("removed", "dependencies that are gone"),
    number("requests", "how many were cut"),
    number("restarts", "how often the monitor was replaced of late"),
    text("signal", "the name of the signal"),
    number("startup_ms", "since the start of the process"),
    text("status", "of the dependency, or of everything"),
    number("status_code", "of the response; none if there was none"),
    text("target", "the module that wrote the line"),
    number("to", "the version of the schema now"),
    number("total", "how many were lost since the start"),
    text(
        "transition",
        "`ready` (up for the first time), `failing` (the first failure in a row), `down`, `recovered` or `blocked`",
    ),
    text("url", "the address, without user and password"),
    text("version", "of the program"),
    number("watched", "how many dependencies are checked"),
];
