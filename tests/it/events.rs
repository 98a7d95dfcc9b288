//! The catalogue of log events, held against its page and against what the
//! sources say. What daemons really write is held against it wherever one is
//! started: see [`crate::support::assert_catalogued`].

use std::collections::BTreeSet;

use budgetd::telemetry::catalogue;

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
    let known: Names = catalogue::names().map(str::to_owned).collect();
    assert_eq!(logged, known);
    assert!(logged.len() > 20, "{logged:?}");
}
