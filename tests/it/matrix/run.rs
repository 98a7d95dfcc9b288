//! All rows, dozens at a time: most of a row is waiting.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::axes::Fault;
use super::case::Case;
use super::observe::Figure;
use super::play::Play;
use super::report;
use super::servers::Servers;

/// How many rows are played at once.
const STAGES: usize = 12;
/// And how many, when the machine is not to be in the way.
const FEW: usize = 3;

/// How a row ended.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) outcome: Outcome,
    pub(super) figures: Vec<Figure>,
    pub(super) hiccups: usize,
    pub(super) took: Duration,
}

impl Row {
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.outcome, Outcome::Broken { .. })
    }
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// As the model says; perhaps only when few were played, and then this
    /// was not at first.
    Kept { at_first: Option<String> },
    /// What was not as the model says, and what daemon and server wrote.
    Broken { why: String, log: String },
    /// What this machine lacks.
    Skipped(&'static str),
}

/// Plays rows and reports them under a name.
///
/// # Panics
///
/// When one of them is broken, or most are slow.
pub(super) fn all(cases: &[Case], name: &str) {
    assert!(!cases.is_empty(), "no row has all of these words");
    let began = Instant::now();
    let runtime = runtime();
    let (servers, _alive) = runtime.block_on(Servers::start(cases));
    let named = can_name();
    let mut rows = play(&servers, &spread(cases), named, STAGES);
    try_again(&servers, &mut rows, named);
    rows.sort_by_key(|row| row.case);
    let complaints = report::all(&rows, name, began.elapsed());
    assert!(complaints.is_empty(), "{}", complaints.join("; "));
}

/// In an order in which neighbours have little in common, always the same:
/// rows that cost a server the same are not played at the same time.
fn spread(cases: &[Case]) -> Vec<Case> {
    let count = cases.len();
    // The golden section, made to meet every place once.
    let mut step = count * 618 / 1000 + 1;
    while gcd(step, count) != 1 {
        step += 1;
    }
    (0..count)
        .map(|place| cases[place * step % count])
        .collect()
}

fn gcd(one: usize, other: usize) -> usize {
    match other {
        0 => one,
        _ => gcd(other, one % other),
    }
}

/// Plays rows, so many at once.
fn play(servers: &Servers, cases: &[Case], named: bool, stages: usize) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(Vec::new());
    // A server ends with the thread that has started it, and whatever blocks a
    // thread must not hold up the proxies of other rows: so each has its own.
    thread::scope(|scope| {
        for _ in 0..stages.min(cases.len()) {
            scope.spawn(|| {
                let runtime = runtime();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let row = runtime.block_on(row(servers, *case, named));
                    report::progress(&row);
                    rows.lock().expect("nobody panicked").push(row);
                }
            });
        }
    });
    rows.into_inner().expect("nobody panicked")
}

/// A row that is broken while many are played is played once more with few
/// beside it. What the machine did is over then, what the daemon does is not;
/// and if many are broken, it was not the machine.
fn try_again(servers: &Servers, rows: &mut [Row], named: bool) {
    let broken: Vec<Case> = rows
        .iter()
        .filter(|row| row.is_broken())
        .map(|row| row.case)
        .collect();
    if broken.len() > rows.len() / 100 + 2 {
        return;
    }
    for again in play(servers, &broken, named, FEW) {
        if again.is_broken() {
            continue;
        }
        let known = rows.iter_mut().find(|row| row.case == again.case);
        let row = known.expect("it was played before");
        let first = std::mem::replace(row, again);
        if let Outcome::Broken { why, .. } = first.outcome {
            row.outcome = Outcome::Kept {
                at_first: Some(why),
            };
        }
    }
}

fn runtime() -> Runtime {
    let built = Builder::new_current_thread().enable_all().build();
    built.expect("a runtime can be built")
}

async fn row(servers: &Servers, case: Case, named: bool) -> Row {
    let began = Instant::now();
    if !named && matches!(case.fault, Fault::Unresolved | Fault::OneAddressDead) {
        return Row {
            case,
            outcome: Outcome::Skipped("it takes a mount namespace (unshare --mount)"),
            figures: Vec::new(),
            hiccups: 0,
            took: Duration::ZERO,
        };
    }
    let mut figures = Vec::new();
    let mut hiccups = 0;
    let mut log = String::new();
    let played = async {
        let mut play = Play::new(servers, case).await;
        let performed = AssertUnwindSafe(play.perform()).catch_unwind().await;
        figures = std::mem::take(&mut play.figures);
        hiccups = play.hiccups;
        log = play.log();
        // The daemon's lines are held against the catalogue when it is dropped.
        let dropped = std::panic::catch_unwind(AssertUnwindSafe(|| drop(play)));
        performed.and(dropped).err()
    };
    let played = AssertUnwindSafe(played).catch_unwind().await;
    let outcome = match played {
        Ok(None) => Outcome::Kept { at_first: None },
        Ok(Some(panic)) | Err(panic) => Outcome::Broken {
            why: words(panic.as_ref()),
            log,
        },
    };
    Row {
        case,
        outcome,
        figures,
        hiccups,
        took: began.elapsed(),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    text.unwrap_or_else(|| "it panicked".to_owned())
}

/// Whether a daemon can have names of its own.
fn can_name() -> bool {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let tried = command.args(["--mount", "true"]).status();
    tried.is_ok_and(|status| status.success())
}
