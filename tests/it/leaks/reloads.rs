//! One configuration after the other, while requests come.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use rustix::process::Signal;
use tokio::task::JoinSet;

use super::rig::{PATIENCE, Rig};
use crate::support::caller::Caller;
use crate::support::visitor::Visitor;
use crate::support::wait::until;

/// After so many rounds everything was changed in each way, and back.
pub(super) const KINDS: usize = 12;

/// Reloads so many times, and once more to what was there at the beginning.
pub(super) async fn run(rig: &Rig, count: usize) {
    let done = Arc::new(AtomicBool::new(false));
    let caller = Caller::new(&rig.daemon, "viewer");
    let mut visitors = JoinSet::new();
    for _ in 0..3 {
        let mut visitor = Visitor::of(rig.daemon.api()).with(caller.headers());
        let done = done.clone();
        let log = log_of(rig);
        visitors.spawn(async move {
            while !done.load(Relaxed) {
                let answer = visitor.get("/api/v1/budget-versions").await.unwrap();
                // A pool that is new has to connect first, in time.
                let expected = matches!(answer.code, 200 | 503);
                assert!(expected, "{answer:?}\n{}", last_of(&log));
            }
        });
    }
    let mut log = Log::of(rig);
    for round in 1..=count {
        if round % 5 == 0 {
            log.reload(rig, "[checks]\ninterval = \"soon\"", "config_reload_failed")
                .await;
        }
        log.reload(rig, &rig.config(round), "config_reloaded").await;
    }
    log.reload(rig, &rig.config(0), "config_reloaded").await;
    done.store(true, Relaxed);
    visitors.join_all().await;
    for way in &rig.ways {
        rig.until_status(way, "ok").await;
    }
}

fn log_of(rig: &Rig) -> PathBuf {
    rig.daemon.options().folder().join("stdout")
}

/// What a daemon logged last.
fn last_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap();
    let begin = text.len().saturating_sub(6_000);
    text.get(begin..).unwrap_or_default().to_owned()
}

/// What is logged from now on.
struct Log {
    file: std::fs::File,
    text: String,
}

impl Log {
    fn of(rig: &Rig) -> Self {
        let mut log = Self {
            file: std::fs::File::open(log_of(rig)).unwrap(),
            text: String::new(),
        };
        log.file.read_to_string(&mut log.text).unwrap();
        log.text.clear();
        log
    }

    async fn reload(&mut self, rig: &Rig, config: &str, outcome: &str) {
        rig.daemon.rewrite_config(config);
        rig.daemon.signal(Signal::HUP);
        let line = until(format!("{outcome} is logged"), PATIENCE, async || {
            self.file.read_to_string(&mut self.text).unwrap();
            let complete = self.text.rfind('\n')? + 1;
            let lines: String = self.text.drain(..complete).collect();
            let found = lines
                .lines()
                .find(|line| line.contains("\"config_reload"))?;
            Some(found.to_owned())
        });
        let line = line.await;
        assert!(line.contains(outcome), "{line}");
    }
}
