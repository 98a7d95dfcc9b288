//! Bodies of JSON as a client of whatever will may have written them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{are_told, fits, is_amount, line};
use crate::budget::csv::COLUMNS;
use crate::budget::{
    CloneRequest, LineChange, MAXIMUM_LINES, NewLine, NewLines, NewVersion, Problems, VersionChange,
};

/// A body, given to everyone who reads one. What is taken says what was sent;
/// of lines, it can be stored, and can be written and read again as the same.
pub fn json(bytes: &[u8]) -> bool {
    let lines = read(bytes, NewLines::from_json);
    if let Some(lines) = &lines {
        says_the_same(bytes, lines);
    }
    // Each reads them all, whatever others have taken.
    let taken = [
        lines.is_some(),
        read(bytes, LineChange::from_json).is_some(),
        read(bytes, NewVersion::from_json).is_some(),
        read(bytes, VersionChange::from_json).is_some(),
        read(bytes, CloneRequest::from_json).is_some(),
    ];
    taken.contains(&true)
}

fn read<T: PartialEq + Debug>(bytes: &[u8], from: fn(&[u8]) -> Result<T, Problems>) -> Option<T> {
    match from(bytes) {
        Ok(taken) => {
            nothing_is_overlooked(bytes, from);
            let blanks = [b" \r\n", bytes, b"\t"].concat();
            assert_eq!(from(&blanks).ok().as_ref(), Some(&taken));
            Some(taken)
        }
        Err(problems) => {
            let parts = bytes.split(|byte| *byte == b',').count();
            are_told(&problems.into_vec(), 101 + parts);
            None
        }
    }
}

/// One thing more than what is taken is refused.
fn nothing_is_overlooked<T>(bytes: &[u8], from: fn(&[u8]) -> Result<T, Problems>) {
    let mut given: Value = serde_json::from_slice(bytes).expect("what is taken is JSON");
    match &mut given {
        Value::Array(items) => items.push(json!({})),
        Value::Object(fields) => drop(fields.insert("more".to_owned(), json!(null))),
        other => panic!("{other} is taken"),
    }
    assert!(from(given.to_string().as_bytes()).is_err(), "{given}");
}

fn says_the_same(bytes: &[u8], lines: &NewLines) {
    let text = std::str::from_utf8(bytes).expect("what is taken is text");
    let (given, lines) = match lines {
        NewLines::One(line) => (vec![text], std::slice::from_ref(line)),
        NewLines::Many(lines) => {
            let given: Vec<&RawValue> = serde_json::from_str(text).expect("it is a list");
            (given.into_iter().map(RawValue::get).collect(), &lines[..])
        }
    };
    assert!((1..=MAXIMUM_LINES).contains(&lines.len()));
    assert_eq!(given.len(), lines.len());
    for (given, line) in given.into_iter().zip(lines) {
        fits(line);
        says(given, line);
    }
}

fn says(given: &str, taken: &NewLine) {
    let told = json!(line(taken.clone()));
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(given).expect("an object");
    for (name, value) in fields {
        let text: Option<String> = match serde_json::from_str(value.get()) {
            Ok(text) => text,
            // Digits need no quotation marks.
            Err(_) => Some(value.get().to_owned()),
        };
        let same = match (name.as_str(), text.as_deref()) {
            ("account_code" | "category" | "period", Some(text)) => told[&name] == text,
            ("account_name", Some(text)) => told[&name] == text.trim(),
            ("amount_sar", Some(text)) => is_amount(text, taken),
            ("notes", text) => told[&name].as_str().unwrap_or_default() == text.unwrap_or_default(),
            _ => false,
        };
        assert!(same, "{name} {value} is read as {taken:?}");
    }
    let mut again = told;
    let fields = again.as_object_mut().expect("a line is an object");
    fields.retain(|name, _| COLUMNS.contains(&name.as_str()));
    let again = NewLines::from_json(again.to_string().as_bytes());
    assert_eq!(again, Ok(NewLines::One(taken.clone())));
}
