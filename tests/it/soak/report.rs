//! What was done and what came of it, as a table.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::faults::Fault;
use super::load::Tally;
use super::log::Kept;
use super::rig::{Rig, notices_within};
use super::witness::Seen;
use crate::leaks::held::{files, gauge, of_process};
use crate::support::PATIENCE;
use crate::support::wait::until;

/// How much more memory may be in use at the end: the allocator's, and what is
/// kept within bounds, such as the cache inside the process.
const ALLOWANCE_KIB: u64 = 16 * 1024;

/// Longer than any pause between two attempts to connect.
const SETTLED: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Report {
    seed: u64,
    duration: Duration,
    /// How often each was suffered, and the longest until all was well again.
    faults: BTreeMap<Fault, (usize, Duration)>,
    seen: Seen,
    tally: Tally,
    log: Kept,
    lines_lost: u64,
    beginning: Held,
    end: Held,
}

/// What the process holds when nobody asks anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    files: u64,
    tasks: u64,
    anonymous_kib: u64,
}

impl Held {
    async fn by(rig: &Rig) -> Self {
        let metrics = rig.daemon.ask("/metrics").await.body;
        Self {
            files: files(rig.daemon.pid()),
            tasks: gauge(&metrics, "budgetd_runtime_alive_tasks"),
            anonymous_kib: of_process(rig.daemon.pid(), "RssAnon:"),
        }
    }

    /// Once all idle connections are closed, as a restart of the servers does.
    async fn quietly_by(rig: &mut Rig) -> Self {
        rig.daemon.rewrite_config(&rig.first_config());
        rig.daemon.signal(Signal::HUP);
        rig.postgres.restart_same_port().await;
        rig.redis.restart_same_port().await;
        rig.until_ok().await;
        Self::settled(rig).await
    }

    /// The most that is held for a while: what requests use is connected again
    /// some time after all is well.
    async fn settled(rig: &Rig) -> Self {
        let (began, mut held) = (Instant::now(), Self::by(rig).await);
        until("it has settled", PATIENCE, async || {
            let now = Self::by(rig).await;
            held = Self {
                files: now.files.max(held.files),
                tasks: now.tasks.max(held.tasks),
                ..now
            };
            (began.elapsed() > SETTLED).then_some(())
        })
        .await;
        held
    }
}

impl Report {
    pub(super) async fn begin(seed: u64, rig: &mut Rig) -> Self {
        let beginning = Held::quietly_by(rig).await;
        Self {
            seed,
            duration: Duration::ZERO,
            faults: BTreeMap::new(),
            seen: Seen::default(),
            tally: Tally::default(),
            log: Kept::default(),
            lines_lost: 0,
            beginning,
            end: beginning,
        }
    }

    pub(super) fn suffered(&mut self, fault: Fault, took: Duration) {
        let (times, longest) = self.faults.entry(fault).or_default();
        *times += 1;
        *longest = took.max(*longest);
    }

    pub(super) fn witnessed(&mut self, seen: Seen) {
        self.seen = seen;
    }

    pub(super) fn loaded(&mut self, tally: Tally) {
        self.tally = tally;
    }

    /// Waits until no more is held than at the beginning, and takes leave.
    pub(super) async fn end(&mut self, rig: &mut Rig, duration: Duration) {
        self.duration = duration;
        self.end = Held::quietly_by(rig).await;
        let began = Instant::now();
        until(
            "it holds what it held, or it leaks",
            PATIENCE * 2,
            async || {
                self.end = Held::by(rig).await;
                (self.holds_no_more() || began.elapsed() > PATIENCE).then_some(())
            },
        )
        .await;
        let metrics = rig.daemon.ask("/metrics").await.body;
        self.lines_lost = gauge(&metrics, "budgetd_log_lines_dropped_total");
        rig.daemon.signal(Signal::TERM);
        assert_eq!(rig.daemon.exit_within(PATIENCE).await, 0);
        self.log = rig.log.ended();
    }

    fn holds_no_more(&self) -> bool {
        self.end.files <= self.beginning.files && self.end.tasks <= self.beginning.tasks
    }

    /// Where people find it.
    pub(super) fn keep(&self) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../soak.txt");
        std::fs::write(path, self.to_string()).unwrap();
    }

    pub(super) fn assert_good(&self) {
        assert_eq!(
            self.seen.false_answers, 0,
            "ready, and the database is down"
        );
        assert!(self.seen.unready > 0, "ready, whatever came");
        assert_eq!(
            self.seen.unready_in_calm, 0,
            "not ready, and the database was up for long"
        );
        assert_eq!(self.seen.not_alive, 0, "it did not answer");
        assert_eq!(self.lines_lost, 0, "lines of the log were lost");
        assert!(self.holds_no_more(), "something is left behind");
        let grown = self
            .end
            .anonymous_kib
            .saturating_sub(self.beginning.anonymous_kib);
        assert!(grown <= ALLOWANCE_KIB, "{grown} KiB more");
        let strange = self.others();
        let lines = self.log.strange.join("\n");
        assert!(strange.is_empty(), "{strange:?}\n{lines}");
    }

    fn count(&self, is_wanted: impl Fn(u16) -> bool) -> usize {
        let wanted = self
            .tally
            .codes
            .iter()
            .filter(|(code, _)| is_wanted(**code));
        wanted.map(|(_, times)| times).sum()
    }

    fn others(&self) -> BTreeMap<u16, usize> {
        let mut others = self.tally.codes.clone();
        // A deletion that is sent again finds nothing to delete.
        others.retain(|code, _| !matches!(code, 200..=299 | 404 | 503));
        others
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seen, tally, .. } = self;
        let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
        writeln!(
            f,
            "{:<24} {:>7} {:>22}",
            "what", "times", "longest until all well"
        )?;
        for (fault, (times, longest)) in &self.faults {
            let name = format!("{fault:?}");
            writeln!(f, "{name:<24} {times:>7} {:>22}", seconds(*longest))?;
        }
        writeln!(f)?;
        let mut row = |name: &str, value: String| writeln!(f, "{name:<40} {value:>30}");
        row("seed", self.seed.to_string())?;
        row("duration", seconds(self.duration))?;
        row("requests", self.count(|_| true).to_string())?;
        row("  2xx", self.count(|code| code / 100 == 2).to_string())?;
        row("  503", self.count(|code| code == 503).to_string())?;
        row("  others, by code", format!("{:?}", self.others()))?;
        row("  slowest", seconds(tally.slowest))?;
        row(
            "writes acknowledged, and all held",
            tally.acknowledged.to_string(),
        )?;
        row("readiness asked", seen.polls.to_string())?;
        row("  not ready", seen.unready.to_string())?;
        row(
            "  ready though down, at most for",
            seconds(seen.noticed_after),
        )?;
        row("  which may take", seconds(notices_within()))?;
        row("  false answers", seen.false_answers.to_string())?;
        row(
            "  while the database was up for long",
            seen.calm.to_string(),
        )?;
        row("    not ready", seen.unready_in_calm.to_string())?;
        row("  not alive", seen.not_alive.to_string())?;
        row("  slowest", seconds(seen.slowest))?;
        row("log lines, by level", format!("{:?}", self.log.levels))?;
        row("log lines lost", self.lines_lost.to_string())?;
        let Held {
            files,
            tasks,
            anonymous_kib,
        } = self.beginning;
        row(
            "open files, first and last",
            format!("{files}, {}", self.end.files),
        )?;
        row(
            "tasks, first and last",
            format!("{tasks}, {}", self.end.tasks),
        )?;
        row(
            "anonymous KiB, first and last",
            format!("{anonymous_kib}, {}", self.end.anonymous_kib),
        )
    }
}
