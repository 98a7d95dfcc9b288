//! Files of lines as a spreadsheet, or an enemy, may have written them, and
//! bodies of JSON.

use jiff::Timestamp;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::csv::{header, parse, rows};
use super::{Line, LineId, Loc, NewLine, Problem, VersionId};

mod json;

pub use json::json;

/// The most problems of a file that are told, and the largest answer that
/// tells them, in bytes.
const MAX_TOLD: usize = 100_000;

/// The most rows of a file.
const MAX_ROWS: usize = 100_000;

/// A file of lines. What is taken can be stored, and can be written and read
/// again as the same.
pub fn csv(bytes: &[u8]) -> bool {
    match parse(bytes) {
        Ok(lines) => {
            assert!(!lines.is_empty(), "nothing is no import");
            assert!(lines.len() <= MAX_ROWS);
            lines.iter().for_each(fits);
            says_the_same(bytes, &lines);
            ends_with(bytes, lines.len());
            let kept: Vec<Line> = lines.iter().cloned().map(line).collect();
            let mut written = header().expect("a header can be written");
            written.extend(rows(&kept).expect("lines can be written"));
            match parse(&written) {
                Ok(again) => assert_eq!(again, lines),
                Err(problems) => panic!("{:?}", problems.into_vec()),
            }
            true
        }
        Err(problems) => {
            let rows = bytes
                .iter()
                .filter(|byte| matches!(byte, b'\n' | b'\r'))
                .count()
                + 1;
            are_told(&problems.into_vec(), 1_001 + rows.min(MAX_TOLD));
            false
        }
    }
}

/// There are some, not more than so many, and each is short.
fn are_told(problems: &[Problem], most: usize) {
    assert!(!problems.is_empty(), "refused without a reason");
    assert!(problems.len() <= most, "{} problems", problems.len());
    for problem in problems {
        let told = serde_json::to_string(problem).expect("it can be told");
        // Six bytes tell a control character, and a name has 100.
        assert!(told.len() < 1_200, "{told}");
    }
}

/// The database has room for it.
fn fits(line: &NewLine) {
    let limit = Decimal::from(10_i64.pow(13));
    assert!(line.amount_sar.decimal().abs() < limit, "{line:?}");
    let name = line.account_name.chars().count();
    assert!((1..=200).contains(&name), "{line:?}");
    let notes = line.notes.iter().flat_map(|notes| notes.chars());
    assert!(notes.count() <= 10_000, "{line:?}");
}

/// Without quotation marks, anyone can read a file: each line is a row, and
/// each comma ends a cell.
fn says_the_same(bytes: &[u8], lines: &[NewLine]) {
    // A mark in the middle of a character leaves the character behind.
    if bytes.contains(&b'"') {
        return;
    }
    let text = std::str::from_utf8(bytes).expect("what is taken is text");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = text.split(['\r', '\n']).filter(|row| !row.is_empty());
    let columns: Vec<&str> = rows.next().expect("a header").split(',').collect();
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.into_iter().zip(lines) {
        for (column, cell) in columns.iter().zip(row.split(',')) {
            let same = match column.trim() {
                "account_code" => line.account_code.as_str() == cell.trim(),
                "account_name" => line.account_name == cell.trim(),
                "amount_sar" => is_amount(cell, line),
                "notes" => line.notes.as_deref().unwrap_or_default() == cell,
                _ => true,
            };
            assert!(same, "{cell:?} is read as {line:?}");
        }
    }
}

/// Whether digits say the amount of a line.
fn is_amount(text: &str, line: &NewLine) -> bool {
    let text = text.trim();
    let amount = text.parse().or_else(|_| Decimal::from_scientific(text));
    amount.is_ok_and(|amount| amount == line.amount_sar.decimal())
}

/// A file has so many rows: one more, which is none, is told as the next.
fn ends_with(bytes: &[u8], rows: usize) {
    let longer = [bytes, b"\nx"].concat();
    let problems = parse(&longer).expect_err("a row of one cell").into_vec();
    let places: Vec<_> = problems.into_iter().map(|problem| problem.loc).collect();
    let next: [Loc; 3] = ["body".into(), "row".into(), (rows + 1).into()];
    assert!(places == [next] || rows == MAX_ROWS, "{places:?}");
}

fn line(new: NewLine) -> Line {
    Line {
        id: LineId::new(Uuid::nil()),
        budget_version_id: VersionId::new(Uuid::nil()),
        account_code: new.account_code,
        account_name: new.account_name,
        category: new.category,
        period: new.period,
        amount_sar: new.amount_sar,
        notes: new.notes,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
        created_by_id: None,
    }
}
