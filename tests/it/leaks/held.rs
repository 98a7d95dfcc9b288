//! What a daemon holds, in its process and on its servers.

use std::fmt;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use super::flaps;
use super::rig::{PATIENCE, Rig, WAYS};
use crate::support::wait::until;

/// So often the same must be read in a row before it counts.
const STEADY: usize = 5;
/// The runtime keeps threads that have done something slow, such as parsing a
/// file, for ten seconds in case they are needed again.
const IDLE_THREADS: u64 = 8;
/// How long it may take until what is not needed any more is given back.
const LETTING_GO: Duration = Duration::from_secs(20);
/// How much more memory may be in use after the second half of something than
/// after the first: an allocator keeps what it may need again, wherever it
/// finds it. A leak of 100 bytes a flap is more than that at full length.
const ALLOWANCE_KIB: u64 = 3 * 1024;
/// The same since the beginning, after all of it: each of the three things may
/// have cost that much, and what is kept within bounds, such as the cache
/// inside the process, has filled up.
const ALLOWANCE_IN_ALL_KIB: u64 = 3 * ALLOWANCE_KIB;

/// All of it but the memory, which no two looks find the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    files: u64,
    tasks: u64,
    threads: u64,
    postgres: u64,
    redis: u64,
    /// Connections over each way, whatever server is at its end. Nobody cuts
    /// those over detours, which are left by the end of the reloads.
    ways: [usize; WAYS],
}

impl Held {
    async fn by(rig: &Rig) -> Self {
        let metrics = rig.daemon.ask("/metrics").await.body;
        let clients = rig.redis.command(&["CLIENT", "LIST"]).await;
        let clients = clients.lines().filter(|line| line.contains("addr="));
        Self {
            tasks: gauge(&metrics, "budgetd_runtime_alive_tasks"),
            files: files(rig.daemon.pid()),
            threads: of_process(rig.daemon.pid(), "Threads:"),
            postgres: sessions(rig).await,
            // The one that asks is one of them.
            redis: u64::try_from(clients.count() - 1).unwrap(),
            ways: rig.open(),
        }
    }

    /// Fewer are fine.
    fn is_within(self, beginning: Self) -> bool {
        self.files <= beginning.files
            && self.tasks <= beginning.tasks
            && self.threads <= beginning.threads + IDLE_THREADS
            && self.postgres <= beginning.postgres
            && self.redis <= beginning.redis
            && self
                .ways
                .iter()
                .zip(beginning.ways)
                .all(|(now, before)| *now <= before)
    }

    /// What is the same each time that one looks.
    async fn steadily_by(rig: &Rig) -> Self {
        let (mut last, mut times) = (Self::by(rig).await, 0);
        until("what it holds is steady", PATIENCE, async || {
            let now = Self::by(rig).await;
            times = if now == last { times + 1 } else { 0 };
            last = now;
            (times == STEADY).then_some(now)
        })
        .await
    }
}

pub(crate) fn gauge(metrics: &str, name: &str) -> u64 {
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap().parse().unwrap()
}

pub(crate) fn files(pid: u32) -> u64 {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    u64::try_from(files.count()).unwrap()
}

/// A number of `/proc/PID/status`: proc(5).
pub(crate) fn of_process(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    let value = value.unwrap().split_whitespace().next();
    value.unwrap().parse().unwrap()
}

/// Sessions of clients other than the one that asks.
async fn sessions(rig: &Rig) -> u64 {
    let (client, connection) = tokio_postgres::connect(&rig.postgres.url(), NoTls)
        .await
        .unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move { drop(connection.await) });
    let count = "SELECT count(*) FROM pg_stat_activity \
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let row = client.query_typed_one(count, &[]).await.unwrap();
    row.get::<_, i64>(0).unsigned_abs()
}

/// What was held at the beginning and after each step.
pub(super) struct Book {
    beginning: Held,
    rows: Vec<Row>,
    /// When the last row was entered.
    last: Instant,
}

struct Row {
    what: String,
    /// Since the row before.
    took: Duration,
    held: Held,
    anonymous_kib: u64,
    /// It ends the second half of what the row before began.
    is_second: bool,
}

impl Book {
    pub(super) async fn open(rig: &Rig) -> Self {
        quiet(rig).await;
        let beginning = Held::steadily_by(rig).await;
        let mut book = Self {
            beginning,
            rows: Vec::new(),
            last: Instant::now(),
        };
        book.note(rig, "the beginning", beginning, false);
        book
    }

    pub(super) async fn enter(&mut self, rig: &Rig, what: &str) {
        let held = self.held(rig).await;
        self.note(rig, what, held, false);
    }

    pub(super) async fn enter_second(&mut self, rig: &Rig, what: &str) {
        let held = self.held(rig).await;
        self.note(rig, what, held, true);
    }

    /// Waits until it holds no more than at the beginning; what it still holds
    /// when that does not come has leaked.
    async fn held(&self, rig: &Rig) -> Held {
        quiet(rig).await;
        let began = Instant::now();
        loop {
            let now = Held::by(rig).await;
            if now.is_within(self.beginning) || began.elapsed() > LETTING_GO {
                return now;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn note(&mut self, rig: &Rig, what: &str, held: Held, is_second: bool) {
        self.rows.push(Row {
            what: what.to_owned(),
            took: std::mem::replace(&mut self.last, Instant::now()).elapsed(),
            held,
            anonymous_kib: of_process(rig.daemon.pid(), "RssAnon:"),
            is_second,
        });
        self.assert_nothing_grew();
    }

    /// Holds the last row against the beginning, and its memory also against
    /// the row before if that ended the first half of the same.
    fn assert_nothing_grew(&self) {
        let [.., first, second] = self.rows.as_slice() else {
            return;
        };
        assert!(
            second.held.is_within(self.beginning),
            "more is held after {}\n{self}",
            second.what
        );
        let grown = second.anonymous_kib.saturating_sub(first.anonymous_kib);
        assert!(
            !second.is_second || grown <= ALLOWANCE_KIB,
            "{grown} KiB more after {}\n{self}",
            second.what
        );
        let beginning = self.rows[0].anonymous_kib;
        let grown = second.anonymous_kib.saturating_sub(beginning);
        assert!(
            grown <= ALLOWANCE_IN_ALL_KIB,
            "{grown} KiB more since the beginning after {}\n{self}",
            second.what
        );
    }
}

impl fmt::Display for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<24} {:>6} {:>6} {:>6} {:>8} {:>9} {:>6} {:>18} {:>14}",
            "after",
            "took",
            "files",
            "tasks",
            "threads",
            "postgres",
            "redis",
            "ways",
            "anonymous KiB"
        )?;
        for row in &self.rows {
            let Held {
                files,
                tasks,
                threads,
                postgres,
                redis,
                ways,
            } = row.held;
            let ways = format!("{ways:?}");
            writeln!(
                f,
                "{:<24} {:>4} s {files:>6} {tasks:>6} {threads:>8} {postgres:>9} {redis:>6} {ways:>18} {:>14}",
                row.what,
                row.took.as_secs(),
                row.anonymous_kib
            )?;
        }
        Ok(())
    }
}

/// A dependency that was down has no idle connections left. After one flap of
/// each, what is open is what has to be.
async fn quiet(rig: &Rig) {
    for way in &rig.ways {
        flaps::flap(rig, way, 1).await;
    }
    until("requests have their connection", PATIENCE, async || {
        let metrics = rig.daemon.ask("/metrics").await.body;
        (gauge(&metrics, "budgetd_cache_bypassed") == 0).then_some(())
    })
    .await;
}
