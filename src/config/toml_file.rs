//! One TOML file as values with line numbers.
//!
//! Errors tell position and expectation only. The parser's own rendering
//! quotes the line, in which a password may stand.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::section::join;

/// What a file says.
pub(super) struct TomlFile {
    pub(super) values: Dict,
    /// The line of each key, by its full name.
    pub(super) lines: BTreeMap<String, usize>,
}

/// What is wrong with a file, where.
#[derive(Debug)]
pub(super) struct SyntaxError {
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

/// Parses all of `text`, or tells every error of its syntax.
pub(super) fn parse(text: &str) -> Result<TomlFile, Vec<SyntaxError>> {
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax_errors(&lines, &errors));
    }
    let mut file = Conversion {
        lines,
        found: BTreeMap::new(),
    };
    let values = file.table("", table.get_ref());
    Ok(TomlFile {
        values,
        lines: file.found,
    })
}

/// The parser goes on behind an error and stumbles over its remains: the
/// first error of a line is the one that helps.
fn syntax_errors(lines: &Lines, errors: &[toml::de::Error]) -> Vec<SyntaxError> {
    let mut found: Vec<SyntaxError> = Vec::new();
    for error in errors {
        let line = error.span().map(|span| lines.number(span.start));
        if !found.iter().any(|other| other.line == line) {
            found.push(SyntaxError {
                line,
                message: format!("it is not TOML: {}", error.message()),
            });
        }
    }
    found.sort_by_key(|error| error.line);
    found
}

/// The offsets at which lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// The number of the line that holds `offset`, beginning with 1.
    fn number(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

struct Conversion {
    lines: Lines,
    found: BTreeMap<String, usize>,
}

impl Conversion {
    fn table(&mut self, path: &str, table: &DeTable<'_>) -> Dict {
        table
            .iter()
            .map(|(key, value)| {
                let path = join(path, key.get_ref());
                let line = self.lines.number(key.span().start);
                self.found.insert(path.clone(), line);
                (key.get_ref().to_string(), self.value(&path, value))
            })
            .collect()
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => text.to_string().into(),
            DeValue::Boolean(truth) => (*truth).into(),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => number.into(),
                    // Beyond any range that a key allows: whoever reads it
                    // finds no number and says what is allowed.
                    Err(_) => number.as_str().to_owned().into(),
                }
            }
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) => number.into(),
                Err(_) => number.as_str().to_owned().into(),
            },
            // No key takes a date; as text it meets the same refusal.
            DeValue::Datetime(date) => date.to_string().into(),
            DeValue::Array(entries) => entries
                .iter()
                .map(|entry| self.value(path, entry))
                .collect::<Vec<Value>>()
                .into(),
            DeValue::Table(table) => Value::from(self.table(path, table)),
        }
    }
}
