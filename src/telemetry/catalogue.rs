//! The catalogue of log lines: what each event means, at which levels it comes
//! and which fields it has. `docs/events.md` is written from it, and the tests
//! hold every line of every daemon that they start against it.

use serde_json::Value;

mod events;

mod fields;

mod page;

pub use page::page;

use self::events::SECTIONS;
use fields::{FIELDS, Kind};

/// The fields that every line has, in their order. A `?` marks one that is
/// left out where it has nothing to say.
const COMMON: &[&str] = &[
    "timestamp",
    "level",
    "event",
    "message",
    "service",
    "environment",
    "trace_id?",
    "span_id?",
];

/// In place of fields that nobody here has chosen.
const OTHERS: &str = "*";

struct Section {
    title: &'static str,
    /// What its events have in common.
    about: &'static str,
    events: &'static [Event],
}

/// A kind of log line.
#[derive(Debug)]
pub struct Event {
    pub name: &'static str,
    pub levels: &'static [&'static str],
    when: &'static str,
    /// Its own, marked as the common ones are.
    pub fields: &'static [&'static str],
}

/// All events.
pub fn events() -> impl Iterator<Item = &'static Event> {
    SECTIONS.iter().flat_map(|section| section.events)
}

/// Says what in a line is not as the catalogue has it.
pub fn check(line: &Value) -> Result<(), String> {
    let name = line["event"].as_str().unwrap_or_default();
    let event = events()
        .find(|event| event.name == name)
        .ok_or_else(|| format!("no event {name:?} is known"))?;
    let level = line["level"].as_str().unwrap_or_default();
    if !event.levels.contains(&level) {
        return Err(format!("{name} has no level {level:?}"));
    }
    let own = line.as_object().into_iter().flatten();
    for (field, value) in own {
        check_field(event, field, value)?;
    }
    for field in COMMON.iter().chain(event.fields) {
        if !field.ends_with(['?', '*']) && line[field].is_null() {
            return Err(format!("{name} lacks {field}"));
        }
    }
    Ok(())
}

fn check_field(event: &Event, field: &str, value: &Value) -> Result<(), String> {
    let name = event.name;
    let mut listed = COMMON.iter().chain(event.fields);
    if !listed.any(|listed| listed.trim_end_matches('?') == field) {
        return if event.fields.contains(&OTHERS) {
            Ok(())
        } else {
            Err(format!("{name} has no field {field}"))
        };
    }
    let known = FIELDS.iter().find(|known| known.name == field);
    let kind = known.map(|known| known.kind);
    let fits = match kind {
        Some(Kind::Text) => value.is_string(),
        Some(Kind::Number) => value.is_number(),
        Some(Kind::True) => *value == Value::Bool(true),
        None => false,
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{name} has {field} as {value}, not as {kind:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn each_event_and_each_field_is_described_once() {
        let names: BTreeSet<&str> = events().map(|event| event.name).collect();
        assert_eq!(names.len(), events().count());
        let described: BTreeSet<&str> = FIELDS.iter().map(|field| field.name).collect();
        assert_eq!(described.len(), FIELDS.len());
        let used: BTreeSet<&str> = events()
            .flat_map(|event| event.fields)
            .chain(COMMON)
            .map(|field| field.trim_end_matches('?'))
            .filter(|field| *field != OTHERS)
            .collect();
        assert_eq!(used, described);
    }

    #[test]
    fn a_line_is_held_against_its_event() {
        let line = json!({
            "timestamp": "2026-01-01T00:00:00.000Z", "level": "info", "event": "drain_complete",
            "message": "every connection is closed", "service": "budgetd", "environment": "test",
            "duration_ms": 1.5, "drain_timeout_exceeded": 0,
        });
        assert_eq!(check(&line), Ok(()));
        let wrong = |change: fn(&mut Value)| {
            let mut line = line.clone();
            change(&mut line);
            check(&line).unwrap_err()
        };
        let cases = [
            (
                wrong(|line| line["event"] = "x".into()),
                "no event \"x\" is known",
            ),
            (
                wrong(|line| line["level"] = "warn".into()),
                "drain_complete has no level \"warn\"",
            ),
            (
                wrong(|line| line["error"] = "x".into()),
                "drain_complete has no field error",
            ),
            (
                wrong(|line| line["duration_ms"] = Value::Null),
                "drain_complete has duration_ms as null, not as Some(Number)",
            ),
            (
                wrong(|line| line["duration_ms"] = "1".into()),
                "drain_complete has duration_ms as \"1\", not as Some(Number)",
            ),
            (
                wrong(|line| drop(line.as_object_mut().unwrap().shift_remove("environment"))),
                "drain_complete lacks environment",
            ),
        ];
        for (said, expected) in cases {
            assert_eq!(said, expected);
        }
    }
}
