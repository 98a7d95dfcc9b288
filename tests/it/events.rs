//! The catalogue of log events, held against its page and against what the
//! sources say. What daemons really write is held against it wherever one is
//! started: see [`crate::support::assert_catalogued`].

use std::collections::BTreeSet;

use budgetd::telemetry::catalogue::{self, Event};

use crate::architecture::sources;

type Names = BTreeSet<String>;

#[test]
fn the_page_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    let page = std::fs::read_to_string(path).expect("there is a page");
    assert!(
        page == catalogue::page(),
        "docs/events.md is not what the catalogue says: \
         run `cargo run --example events > docs/events.md`"
    );
}

/// What the program itself says, without its tests.
fn code() -> Vec<String> {
    sources()
        .into_iter()
        .filter(|source| !source.path.ends_with("tests.rs"))
        .filter(|source| !source.path.iter().any(|part| part == "tests"))
        .map(|source| {
            source
                .text
                .split("#[cfg(test)]")
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

/// The events that a text can log: literals behind `event = `, and those that
/// a function or a macro chooses among to fill `event`.
fn events_of(text: &str) -> Names {
    let mut names = Names::new();
    for start in ["event = \"", "_EVENT: &str = \""] {
        names.extend(text.split(start).skip(1).filter_map(literal));
    }
    // A macro over the level, called as `log!(info, "name", "Text")`.
    for after in text.split("log!(").skip(1) {
        let (level, rest) = after.split_once(", \"").unwrap_or_default();
        if level.chars().all(|c| c.is_ascii_lowercase()) {
            names.extend(literal(rest));
        }
    }
    for after in text.split("fn event_name(").skip(1) {
        let body = after.split("\n}\n").next().unwrap_or_default();
        names.extend(body.split("=> \"").skip(1).filter_map(literal));
    }
    names
}

fn literal(after_quote: &str) -> Option<String> {
    after_quote.split_once('"').map(|(name, _)| name.to_owned())
}

#[test]
fn every_event_of_the_code_is_in_the_catalogue_and_no_other() {
    let logged: Names = code().iter().flat_map(|text| events_of(text)).collect();
    let known: Names = catalogue::events()
        .map(|event| event.name.to_owned())
        .collect();
    assert_eq!(logged, known);
    assert!(logged.len() > 20, "{logged:?}");
}

/// A call that writes a line.
struct Call<'a> {
    /// `$level` in a macro of our own.
    level: &'a str,
    /// As a literal; `None` where one of several is chosen.
    event: Option<&'a str>,
    fields: Vec<&'a str>,
}

fn calls(text: &str) -> impl Iterator<Item = Call<'_>> {
    text.split("tracing::").skip(1).filter_map(|after| {
        let (level, rest) = after.split_once("!(")?;
        let mut fields: Vec<(&str, &str)> = arguments(rest)
            .into_iter()
            .map(str::trim)
            .take_while(|argument| !argument.starts_with(['"', '$']))
            .map(|field| field.split_once('=').unwrap_or((field, "")))
            .map(|(name, value)| (name.trim().trim_start_matches(['%', '?']), value.trim()))
            .collect();
        let event = fields.iter().position(|(name, _)| *name == "event")?;
        let (_, event) = fields.remove(event);
        Some(Call {
            level,
            event: event
                .strip_prefix('"')
                .and_then(|event| event.strip_suffix('"')),
            fields: fields.into_iter().map(|(name, _)| name).collect(),
        })
    })
}

/// The arguments of a macro, from behind its opening bracket to the one that
/// closes it.
fn arguments(text: &str) -> Vec<&str> {
    let (mut found, mut begin, mut depth) = (Vec::new(), 0, 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                found.push(&text[begin..at]);
                begin = at + 1;
                if character == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

fn known(name: &str) -> &'static Event {
    let mut events = catalogue::events();
    let found = events.find(|event| event.name == name);
    found.unwrap_or_else(|| panic!("no {name} in the catalogue"))
}

/// Not every event happens in a test, and each is written somewhere.
#[test]
fn every_call_has_the_level_and_the_fields_that_the_catalogue_says() {
    let mut checked = 0;
    for text in code() {
        for Call {
            level,
            event,
            fields,
        } in calls(&text)
        {
            checked += 1;
            let events: Vec<&Event> = match event {
                Some(event) => vec![known(event)],
                None => events_of(&text).iter().map(|name| known(name)).collect(),
            };
            for field in &fields {
                let is_it = |known: &&str| known.trim_end_matches('?') == *field;
                let listed = events.iter().any(|event| event.fields.iter().any(is_it));
                assert!(listed, "no event of {event:?} has a field {field}");
            }
            if let Some(event) = event {
                assert!(
                    known(event).levels.contains(&level),
                    "{event} has no level {level}"
                );
                for field in known(event).fields {
                    let written = field.ends_with('?') || fields.contains(field);
                    assert!(written, "{event} is written without {field}");
                }
            }
        }
    }
    assert!(checked > 40, "{checked}");
}
