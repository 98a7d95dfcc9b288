//! The daemon's log, read as it is written; little of it is kept.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeWriter};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::support::assert_catalogued;

/// The thread that reads it.
pub(super) struct Log(Option<JoinHandle<Kept>>);

/// What came.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Lines by level.
    pub(super) levels: BTreeMap<String, usize>,
    /// The first lines of requests that the daemon could not answer, although
    /// it may have had what they need.
    pub(super) strange: Vec<String>,
}

/// So many of those are kept.
const STRANGE: usize = 10;

impl Log {
    /// A pipe that is read to its end.
    pub(super) fn pipe() -> (PipeWriter, Self) {
        let (reader, writer) = std::io::pipe().unwrap();
        let reading = std::thread::spawn(move || {
            let mut kept = Kept::default();
            for line in BufReader::new(reader).lines() {
                let line = line.unwrap();
                let value: Value = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("{error} in {line:?}"));
                let level = value["level"].as_str().unwrap().to_owned();
                *kept.levels.entry(level).or_default() += 1;
                assert_catalogued(&line);
                let code = value["status_code"].as_u64().unwrap_or_default();
                let is_strange = code >= 500 && code != 503 && kept.strange.len() < STRANGE;
                kept.strange.extend(is_strange.then_some(line));
            }
            kept
        });
        (writer, Self(Some(reading)))
    }

    /// Waits for its end, which is that of the daemon.
    pub(super) fn ended(&mut self) -> Kept {
        let reading = self.0.take().unwrap();
        reading.join().expect("every line is as it should be")
    }
}
