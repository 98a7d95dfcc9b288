//! What a text must be to become a value.

use std::str::FromStr;

use super::Fault;
use crate::budget::vocabulary::Word;
use crate::budget::{AccountCode, Amount, InvalidAccountCode, InvalidAmount};

/// The longest notes that are accepted, in characters.
const NOTES: usize = 10_000;

/// A name of something: blanks around it are no part of it, and blanks alone
/// are no name.
pub(super) fn name(text: &str, maximum: usize) -> Result<String, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::new(
            "string_too_short",
            "String should have at least 1 character",
        ));
    }
    storable(text, maximum)?;
    Ok(text.to_owned())
}

/// Notes; empty ones are none.
pub(super) fn notes(text: &str) -> Result<Option<String>, Fault> {
    storable(text, NOTES)?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Whether the database can hold it.
fn storable(text: &str, maximum: usize) -> Result<(), Fault> {
    // Characters are counted only where there are more bytes than that.
    if text.len() > maximum && text.chars().count() > maximum {
        let msg = format!("String should have at most {maximum} characters");
        return Err(Fault::new("string_too_long", msg));
    }
    if text.contains('\0') {
        let msg = "String should not contain the character U+0000";
        return Err(Fault::new("value_error", msg));
    }
    Ok(())
}

pub(super) fn integer(text: &str, minimum: i32, maximum: i32) -> Result<i32, Fault> {
    let Ok(number) = text.parse::<i64>() else {
        return Err(no_integer(text, minimum, maximum));
    };
    match i32::try_from(number) {
        Ok(number) if (minimum..=maximum).contains(&number) => Ok(number),
        _ => Err(out_of_range(number < minimum.into(), minimum, maximum)),
    }
}

fn out_of_range(below: bool, minimum: i32, maximum: i32) -> Fault {
    if below {
        let msg = format!("Input should be greater than or equal to {minimum}");
        Fault::new("greater_than_equal", msg)
    } else {
        let msg = format!("Input should be less than or equal to {maximum}");
        Fault::new("less_than_equal", msg)
    }
}

/// Digits that are no integer are too many, or have a fraction behind them.
fn no_integer(text: &str, minimum: i32, maximum: i32) -> Fault {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        Fault::new(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        out_of_range(text.starts_with('-'), minimum, maximum)
    } else {
        Fault::new(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        )
    }
}

pub(super) fn amount(text: &str) -> Result<Amount, Fault> {
    text.parse().map_err(|why: InvalidAmount| {
        let kind = match why {
            InvalidAmount::NotDecimal => "decimal_parsing",
            InvalidAmount::TooManyPlaces => "decimal_max_places",
            InvalidAmount::TooLarge => "decimal_whole_digits",
        };
        Fault::new(kind, why.to_string())
    })
}

pub(super) fn account_code(text: &str) -> Result<AccountCode, Fault> {
    text.parse()
        .map_err(|why: InvalidAccountCode| Fault::new("string_pattern_mismatch", why.to_string()))
}

pub(super) fn uuid<I: FromStr<Err = uuid::Error>>(text: &str) -> Result<I, Fault> {
    text.parse()
        .map_err(|_| Fault::new("uuid_parsing", "Input should be a valid UUID"))
}

pub(super) fn word<W: Word>(text: &str) -> Result<W, Fault> {
    text.parse().map_err(|_| {
        let words: Vec<String> = W::WORDS.iter().map(|word| format!("'{word}'")).collect();
        let (last, others) = words
            .split_last()
            .map_or(("", &[][..]), |(l, o)| (l.as_str(), o));
        let msg = format!("Input should be {} or {last}", others.join(", "));
        Fault::new("enum", msg)
    })
}
