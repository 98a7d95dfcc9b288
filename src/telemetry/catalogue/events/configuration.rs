//! What becomes of the configuration.

use super::{ERROR, INFO, WARN, event};
use crate::telemetry::catalogue::Section;

pub(super) const CONFIGURATION: Section = Section {
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
};
