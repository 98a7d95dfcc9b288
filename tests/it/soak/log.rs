//! The daemon's log, read as it is written and kept by nobody.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeWriter};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::support::assert_catalogued;

/// The thread that reads it, and what came: lines by level.
pub(super) struct Log(Option<JoinHandle<Levels>>);

pub(super) type Levels = BTreeMap<String, usize>;

impl Log {
    /// A pipe that is read to its end.
    pub(super) fn pipe() -> (PipeWriter, Self) {
        let (reader, writer) = std::io::pipe().unwrap();
        let reading = std::thread::spawn(move || {
            let mut levels = Levels::new();
            for line in BufReader::new(reader).lines() {
                let line = line.unwrap();
                let value: Value = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("{error} in {line:?}"));
                let level = value["level"].as_str().unwrap().to_owned();
                *levels.entry(level).or_default() += 1;
                assert_catalogued(&line);
            }
            levels
        });
        (writer, Self(Some(reading)))
    }

    /// Waits for its end, which is that of the daemon.
    pub(super) fn ended(&mut self) -> Levels {
        let reading = self.0.take().unwrap();
        reading.join().expect("every line is as it should be")
    }
}
