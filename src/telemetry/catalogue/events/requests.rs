//! What becomes of requests, and of the tokens they bring.

use super::{ERROR, INFO, WARN, event};
use crate::telemetry::catalogue::{OTHERS, Section};

/// Debug under `/health` and on the admin listener.
const INFO_OR_DEBUG: &[&str] = &["info", "debug"];

const ANY: &[&str] = &["error", "warn", "info", "debug", "trace"];

const REQUEST_FIELDS: &[&str] = &[
    "correlation_id",
    "method",
    "path",
    "client_host",
    "status_code?",
    "duration_ms",
];

pub(super) const REQUESTS: Section = Section {
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
            "that did not come to pass: the client left, or the response broke off; debug as above",
            REQUEST_FIELDS,
        ),
        event(
            "request_failed",
            ERROR,
            "something is wrong with this program, its settings, or what it needs; `request_completed` or `request_aborted` follows if there was a response",
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
};

pub(super) const TOKENS: Section = Section {
    title: "Tokens",
    about: "",
    events: &[
        event(
            "token_refused",
            INFO,
            "a request had a token that is no good, or something else in its `Authorization` header, and is answered with 401; the token is never shown",
            &["correlation_id?", "error"],
        ),
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
};

pub(super) const LIBRARIES: Section = Section {
    title: "Libraries",
    about: "",
    events: &[event(
        "library_message",
        ANY,
        "a library wrote a line",
        &["target", OTHERS],
    )],
};
