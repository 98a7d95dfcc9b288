//! Files of lines as a spreadsheet, or an enemy, may have written them.

use jiff::Timestamp;
use uuid::Uuid;

use super::csv::{header, parse, rows};
use super::{Line, LineId, NewLine, VersionId};

/// The most problems of a file that are told, and the largest answer that
/// tells them, in bytes.
const MAX_TOLD: usize = 100_000;

/// A file of lines. What is taken can be written, and read again as the same.
pub fn csv(bytes: &[u8]) -> bool {
    match parse(bytes) {
        Ok(lines) => {
            assert!(!lines.is_empty(), "nothing is no import");
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
            let problems = problems.into_vec();
            assert!(!problems.is_empty(), "refused without a reason");
            assert!(problems.len() <= 1_001 + rows.min(MAX_TOLD));
            for problem in &problems {
                let told = serde_json::to_string(problem).expect("it can be told");
                // Six bytes tell a control character, and a name has 100.
                assert!(told.len() < 1_200, "{told}");
            }
            false
        }
    }
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
