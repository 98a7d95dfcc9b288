//! The syntax of single values, and what each kind of them allows.
//!
//! A refusal says what is expected and never repeats what was given.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use figment::value::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::section::Leaf;

mod network;

pub(super) use network::{admin_listen, listen, network, origin, parse_listen, web_address};

/// A value, or what is expected instead.
pub(super) type Parsed<T> = Result<T, String>;

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);

pub(super) fn text(leaf: &Leaf) -> Parsed<String> {
    match &leaf.value {
        Value::String(_, text) => Ok(text.clone()),
        _ => Err("text is expected, in quotes".to_owned()),
    }
}

/// Text that ends up in a line of a log or in a header.
pub(super) fn line(leaf: &Leaf) -> Parsed<String> {
    let text = text(leaf)?;
    if text.trim().is_empty() || text.len() > 200 || text.contains(char::is_control) {
        return Err("one line of 1 to 200 bytes is expected".to_owned());
    }
    Ok(text)
}

/// A whole number in `range`.
pub(super) fn whole<T: TryFrom<i128>>(range: RangeInclusive<u64>) -> impl Fn(&Leaf) -> Parsed<T> {
    move |leaf| {
        let number = match &leaf.value {
            Value::String(_, text) if leaf.from.is_variable() => text.trim().parse().ok(),
            other => other.to_i128(),
        };
        number
            .filter(|number| {
                (i128::from(*range.start())..=i128::from(*range.end())).contains(number)
            })
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                let (low, high) = (range.start(), range.end());
                format!("a whole number from {low} to {high} is expected")
            })
    }
}

/// A number from 0 to 1.
pub(super) fn share(leaf: &Leaf) -> Parsed<f64> {
    let number = match &leaf.value {
        Value::String(_, text) if leaf.from.is_variable() => text.trim().parse().ok(),
        other => other.to_f64().or_else(|| {
            let whole = i32::try_from(other.to_i128()?).ok()?;
            Some(f64::from(whole))
        }),
    };
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "a number from 0 to 1 is expected".to_owned())
}

/// A duration in `range`, in humantime's syntax. In a variable of the existing
/// deployment, a bare number is seconds.
pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Leaf) -> Parsed<Duration> {
    move |leaf| {
        let parsed = match &leaf.value {
            Value::String(_, text) => match text.trim().parse::<f64>() {
                Ok(seconds) if leaf.from.is_legacy_variable() => {
                    Duration::try_from_secs_f64(seconds).ok()
                }
                // humantime takes a bare zero, which needs no unit.
                _ => humantime::parse_duration(text.trim()).ok(),
            },
            _ => None,
        };
        parsed
            .filter(|duration| range.contains(duration))
            .ok_or_else(|| {
                let low = humantime::format_duration(*range.start());
                let high = humantime::format_duration(*range.end());
                let written = if leaf.from.is_legacy_variable() {
                    "in seconds"
                } else {
                    r#"as "250ms", "5s" or "2m""#
                };
                format!("a duration from {low} to {high} is expected, written {written}")
            })
    }
}

/// A duration, or `never`.
pub(super) fn duration_or_never(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Leaf) -> Parsed<Option<Duration>> {
    let duration = duration(range);
    move |leaf| match &leaf.value {
        Value::String(_, text) if text.trim().eq_ignore_ascii_case("never") => Ok(None),
        _ => duration(leaf)
            .map(Some)
            .map_err(|message| format!(r#"{message}, or "never""#)),
    }
}

/// A number of bytes from 1 to `most`.
pub(super) fn bytes(most: ByteSize) -> impl Fn(&Leaf) -> Parsed<usize> {
    move |leaf| {
        let number = match &leaf.value {
            Value::String(_, text) => text.trim().parse::<ByteSize>().ok().map(|size| size.0),
            other => other
                .to_i128()
                .and_then(|number| u64::try_from(number).ok()),
        };
        number
            .filter(|number| (1..=most.0).contains(number))
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| {
                format!(r#"a size from 1 B to {most} is expected, written as "512KiB" or "1MiB""#)
            })
    }
}

/// One of a closed set of words.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Leaf) -> Parsed<T> {
    move |leaf| {
        let text = leaf.value.as_str().map(str::trim);
        words
            .iter()
            .find(|(word, _)| text.is_some_and(|text| text.eq_ignore_ascii_case(word)))
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                let words: Vec<String> =
                    words.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("one of {} is expected", words.join(", "))
            })
    }
}

/// A list; in a variable its entries are separated by commas.
pub(super) fn list<T>(parse: impl Fn(&Leaf) -> Parsed<T>) -> impl Fn(&Leaf) -> Parsed<Vec<T>> {
    move |leaf| {
        let entries: Vec<Value> = match &leaf.value {
            Value::Array(_, entries) => entries.clone(),
            Value::String(_, text) if leaf.from.is_variable() => text
                .split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(Value::from)
                .collect(),
            _ => return Err("a list is expected, in square brackets".to_owned()),
        };
        let parse_entry = |(index, value): (usize, Value)| {
            let entry = Leaf {
                value,
                ..leaf.clone()
            };
            parse(&entry).map_err(|message| format!("entry {}: {message}", index + 1))
        };
        entries.into_iter().enumerate().map(parse_entry).collect()
    }
}

/// What `FromStr` takes.
pub(super) fn parsed<T: FromStr>(expected: &str) -> impl Fn(&Leaf) -> Parsed<T> {
    move |leaf| {
        let text = leaf.value.as_str().unwrap_or_default();
        text.trim().parse().map_err(|_| expected.to_owned())
    }
}

/// `tracing` directives.
pub(super) fn directives(leaf: &Leaf) -> Parsed<String> {
    let text = text(leaf)?;
    // A bare word that is no level would name a target and silence the rest,
    // so that a misspelt "infos" would go unnoticed.
    let known = |directive: &str| {
        let level = || !directive.is_empty() && directive.parse::<LevelFilter>().is_ok();
        directive.contains(['=', '[', ':']) || level()
    };
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    if directives.iter().all(|directive| known(directive))
        && directives.join(",").parse::<Targets>().is_ok()
    {
        Ok(directives.join(","))
    } else {
        Err(
            r#"a level ("trace", "debug", "info", "warn", "error", "off") is expected, and after it, separated by commas, levels of single targets, such as "info,budgetd::supervisor=debug""#
                .to_owned(),
        )
    }
}
