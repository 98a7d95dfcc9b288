//! Lines as CSV (RFC 4180), in and out. What is written can be read again.
//!
//! Texts are written as they are. To a spreadsheet, one that begins with `=`
//! is a formula; guarding it would bring back another text than was sent.

use std::borrow::Cow;
use std::io::Read;
use std::{io, str};

use csv::{ByteRecord, IntoInnerError, Position, ReaderBuilder, Terminator, Writer, WriterBuilder};

use super::input::{Fault, Value};
use super::line::{MAXIMUM_LINES, account_name};
use super::{Line, Loc, NewLine, Problems};

/// The columns in the order in which they are written. They are read in any
/// order, and `notes` may be absent.
pub const COLUMNS: [&str; 6] = [
    "account_code",
    "account_name",
    "category",
    "period",
    "amount_sar",
    "notes",
];

/// How many problems of a file are told in full; further rows are told with one
/// problem each.
const LISTED: usize = 1_000;

/// Reads lines, all or none. A problem tells its row, 1 being the first one
/// after the header, and its column: `["body", "row", 1, "period"]`.
pub fn parse(csv: &[u8]) -> Result<Vec<NewLine>, Problems> {
    let mut problems = Problems::listing(LISTED);
    // Rows of another length are told, not refused by the reader.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(csv);
    let header = reader.byte_headers().cloned().unwrap_or_default();
    let Some(columns) = Columns::find(&header, &mut problems) else {
        return Err(problems);
    };
    let mut lines = Vec::new();
    let mut record = ByteRecord::new();
    let mut row = 0;
    let mut rest = csv;
    // Reading from memory does not fail; if it did, nothing more would come.
    while reader.read_byte_record(&mut record).is_ok_and(|more| more) {
        row += 1;
        let start = record.position().map_or(0, Position::byte);
        rest = usize::try_from(start).map_or(csv, |start| &csv[start..]);
        if row > MAXIMUM_LINES {
            let msg = format!("A file should have at most {MAXIMUM_LINES} rows");
            problems.push(Fault::new("too_long", msg).at(vec!["body".into()]));
            break;
        }
        if record.len() == header.len() {
            let mut row = Row {
                number: row,
                record: &record,
                problems: Problems::default(),
            };
            lines.extend(row.line(&columns));
            problems.append_row(row.problems);
        } else {
            let (given, expected) = (record.len(), header.len());
            let msg = format!("Row has {given} fields, and the header has {expected}");
            problems.append_row(Fault::new("row_length", msg).at(place(row)).into());
        }
    }
    if row > 0 && ends_inside_quotes(rest) {
        let msg =
            "Row has a quotation mark that is never closed: all that follows was read as one text";
        problems.append_row(Fault::new("unclosed_quote", msg).at(place(row)).into());
    }
    if row == 0 {
        let fault = Fault::new("too_short", "A file should have at least 1 row");
        problems.push(fault.at(vec!["body".into()]));
    }
    if problems.is_empty() {
        Ok(lines)
    } else {
        Err(problems)
    }
}

/// Whether the last row, with which `csv` begins, has no end of its own. The
/// reader takes such rows, and with them all the rows that the text of the
/// last one has swallowed.
fn ends_inside_quotes(csv: &[u8]) -> bool {
    let reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(csv.chain(&b"\nanother row"[..]));
    reader.into_byte_records().count() < 2
}

fn place(row: usize) -> Vec<Loc> {
    vec!["body".into(), "row".into(), row.into()]
}

/// Where the columns stand.
struct Columns {
    account_code: usize,
    account_name: usize,
    category: usize,
    period: usize,
    amount_sar: usize,
    notes: Option<usize>,
}

impl Columns {
    /// `None` when there is a problem.
    fn find(header: &ByteRecord, problems: &mut Problems) -> Option<Self> {
        if let Some(separator) = other_separator(header) {
            let msg = format!("Columns should be separated by commas, not by {separator}");
            let place = vec!["body".into(), "header".into()];
            problems.push(Fault::new("separator", msg).at(place));
            return None;
        }
        let mut refuse = |name: &str, fault: Fault| {
            problems.push(fault.at(vec!["body".into(), "header".into(), Loc::given(name)]));
        };
        let names: Vec<_> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name.trim_ascii()))
            .collect();
        for (index, name) in names.iter().enumerate() {
            if !COLUMNS.contains(&name.as_ref()) {
                refuse(name, Fault::unexpected());
            } else if names[..index].contains(name) {
                refuse(name, Fault::duplicate());
            }
        }
        let mut find = |name: &str| {
            let found = names.iter().position(|given| given == name);
            if found.is_none() && name != "notes" {
                refuse(name, Fault::missing());
            }
            found
        };
        let [
            account_code,
            account_name,
            category,
            period,
            amount_sar,
            notes,
        ] = COLUMNS.map(&mut find);
        let columns = Self {
            account_code: account_code?,
            account_name: account_name?,
            category: category?,
            period: period?,
            amount_sar: amount_sar?,
            notes,
        };
        Some(columns).filter(|_| problems.is_empty())
    }
}

/// What spreadsheets write between columns where a comma is a decimal point.
fn other_separator(header: &ByteRecord) -> Option<&'static str> {
    let only = header.get(0).filter(|_| header.len() == 1)?;
    [(b';', "semicolons"), (b'\t', "tabs")]
        .into_iter()
        .find_map(|(separator, name)| only.contains(&separator).then_some(name))
}

/// A row that has as many fields as the header.
struct Row<'a> {
    number: usize,
    record: &'a ByteRecord,
    problems: Problems,
}

impl<'a> Row<'a> {
    fn line(&mut self, columns: &Columns) -> Option<NewLine> {
        let account_code = self.filled(columns.account_code, COLUMNS[0], Value::account_code);
        let account_name = self.filled(columns.account_name, COLUMNS[1], account_name);
        let category = self.filled(columns.category, COLUMNS[2], Value::word);
        let period = self.filled(columns.period, COLUMNS[3], Value::word);
        let amount_sar = self.filled(columns.amount_sar, COLUMNS[4], Value::amount);
        let notes = match columns.notes {
            Some(at) => self.cell(at, COLUMNS[5], |text| {
                Value::Text(Cow::Borrowed(text)).notes()
            }),
            None => Some(None),
        };
        Some(NewLine {
            account_code: account_code?,
            account_name: account_name?,
            category: category?,
            period: period?,
            amount_sar: amount_sar?,
            notes: notes?,
        })
    }

    /// A cell that must not be empty; blanks around its text do not count.
    fn filled<T>(
        &mut self,
        at: usize,
        column: &'static str,
        read: impl FnOnce(&Value<'a>) -> Result<T, Fault>,
    ) -> Option<T> {
        self.cell(at, column, |text| match text.trim() {
            "" => Err(Fault::missing()),
            text => read(&Value::Text(Cow::Borrowed(text))),
        })
    }

    fn cell<T>(
        &mut self,
        at: usize,
        column: &'static str,
        read: impl FnOnce(&'a str) -> Result<T, Fault>,
    ) -> Option<T> {
        let record: &'a ByteRecord = self.record;
        str::from_utf8(&record[at])
            .map_err(|_| Fault::new("string_unicode", "Input should be encoded in UTF-8"))
            .and_then(read)
            .map_err(|fault| {
                let mut loc = place(self.number);
                loc.push(column.into());
                self.problems.push(fault.at(loc));
            })
            .ok()
    }
}

/// The header row.
pub fn header() -> io::Result<Vec<u8>> {
    written(|writer| writer.write_record(COLUMNS))
}

/// A row for each line, without a header: a part of a file.
pub fn rows<'a>(lines: impl IntoIterator<Item = &'a Line>) -> io::Result<Vec<u8>> {
    written(|writer| {
        lines.into_iter().try_for_each(|line| {
            writer.write_record([
                line.account_code.as_str(),
                &line.account_name,
                line.category.as_str(),
                line.period.as_str(),
                &line.amount_sar.to_string(),
                line.notes.as_deref().unwrap_or_default(),
            ])
        })
    })
}

fn written(write: impl FnOnce(&mut Writer<Vec<u8>>) -> csv::Result<()>) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    write(&mut writer)?;
    writer.into_inner().map_err(IntoInnerError::into_error)
}

#[cfg(test)]
mod tests;
