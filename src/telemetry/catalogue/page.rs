//! The catalogue as a page for people, in Markdown.

use std::fmt::Write;

use super::fields::{Field, Kind};
use super::{COMMON, Event, FIELDS, OTHERS, SECTIONS};

const BEGINNING: &str = "\
# Log events

This page is written from the code by `cargo run --example events > docs/events.md`; \
the tests hold every line that a daemon writes against it.

`budgetd run` writes one JSON object a line on stdout (`log.format = \"json\"`, or `auto` \
when stdout is no terminal). First come the fields that every line has, then those of its \
event, flat. A field that is marked with `?` is left out where it has nothing to say. \
Durations are numbers in milliseconds under names that end in `_ms`. Secrets are in none \
of them.

Lines about a request say which trace it belongs to \
(<https://www.w3.org/TR/trace-context/>).

Lines are written by a thread of their own, those that come one right after the other \
together, a millisecond later at most. When stdout stalls or cannot be written to, lines are \
lost, and `budgetd_log_lines_dropped_total` counts them.
";

/// The whole page, `docs/events.md`.
pub fn page() -> String {
    let mut page = BEGINNING.to_owned();
    heading(&mut page, "Every line");
    describe(&mut page, |field| is_common(field.name));
    for section in SECTIONS {
        heading(&mut page, section.title);
        if !section.about.is_empty() {
            line(&mut page, &format!("{}\n", section.about));
        }
        line(&mut page, "| event | level | when | fields |");
        line(&mut page, "|---|---|---|---|");
        section
            .events
            .iter()
            .for_each(|event| row(&mut page, event));
    }
    heading(&mut page, "Fields of events");
    line(&mut page, "A name means the same in all events.\n");
    describe(&mut page, |field| !is_common(field.name));
    page
}

fn is_common(name: &str) -> bool {
    COMMON
        .iter()
        .any(|common| common.trim_end_matches('?') == name)
}

fn heading(page: &mut String, title: &str) {
    line(page, &format!("\n## {title}\n"));
}

fn row(page: &mut String, event: &Event) {
    let fields: Vec<&str> = event
        .fields
        .iter()
        .map(|field| {
            if *field == OTHERS {
                "and its own"
            } else {
                field
            }
        })
        .collect();
    let (levels, fields) = (event.levels.join(", "), fields.join(", "));
    line(
        page,
        &format!(
            "| `{}` | {levels} | {} | {fields} |",
            event.name, event.when
        ),
    );
}

fn describe(page: &mut String, which: impl Fn(&Field) -> bool) {
    line(page, "| field | type | is |");
    line(page, "|---|---|---|");
    for field in FIELDS.iter().filter(|field| which(field)) {
        let kind = match field.kind {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::True => "true",
        };
        line(
            page,
            &format!("| {} | {kind} | {} |", field.name, field.about),
        );
    }
}

fn line(page: &mut String, text: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(page, "{text}");
}
