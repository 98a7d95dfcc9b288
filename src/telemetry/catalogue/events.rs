//! The events themselves, in the order of the page.

use super::{Event, Section};

mod process;

mod configuration;

mod dependencies;

mod requests;

pub(super) const SECTIONS: &[Section] = &[
    process::PROCESS,
    configuration::CONFIGURATION,
    dependencies::DEPENDENCIES,
    requests::REQUESTS,
    requests::TOKENS,
    requests::LIBRARIES,
];

const ERROR: &[&str] = &["error"];
const WARN: &[&str] = &["warn"];
const INFO: &[&str] = &["info"];

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
