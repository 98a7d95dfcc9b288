//! One stop and what comes after it.

use std::time::Duration;

use rand::RngExt;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::case::{Case, Manner, Stage};
use super::load::Load;
use super::servers::{Database, Servers, url};
use crate::support::ledger::Ledger;
use crate::support::wait::until;
use crate::support::{BRISK, Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE};

/// What follows a drain at most: cutting connections, stopping the monitors,
/// closing clients and pools.
const CLOSING: Duration = Duration::from_secs(10);
/// How long a stop at once may take. It is no measure of speed.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How it went.
pub(super) struct Played {
    pub(super) stage: Stage,
    pub(super) manner: Manner,
    /// As a shell tells it.
    pub(super) code: i32,
    /// From the signal to the end.
    pub(super) took: Duration,
    /// From the end until the server had let go of everything.
    pub(super) let_go: Duration,
    /// Whether there was a schema at the end.
    pub(super) migrated: bool,
    pub(super) acknowledged: usize,
    pub(super) in_doubt: usize,
}

pub(super) async fn play(case: &Case, servers: &Servers) -> Played {
    let name = format!("moment_{}", case.number);
    let database = servers.database(&name, case.stage.begins_migrated()).await;
    let slow = FaultProxy::in_front_of(servers.postgres.port()).await;
    let file = config(case, servers, &slow, 0);
    let options = options(&file);
    let (mut daemon, load) = begin(case, options, &slow).await;

    let (code, took) = stop(case, &mut daemon, servers, &slow).await;
    let ledgers = match load {
        Some(load) => load.ended().await,
        None => Vec::new(),
    };
    slow.set(Mode::Pass).await;
    let let_go = database.until_left().await;
    let migrated = servers.is_migrated(&database).await;
    assert!(migrated || !case.stage.begins_migrated());
    for ledger in &ledgers {
        ledger.check(&database.client).await;
    }
    let played = Played {
        stage: case.stage,
        manner: case.manner,
        code,
        took,
        let_go,
        migrated,
        acknowledged: ledgers.iter().map(Ledger::acknowledged).sum(),
        in_doubt: ledgers.iter().filter(|ledger| ledger.is_in_doubt()).count(),
    };
    daemon.rewrite_config(&file);
    start_again(case, &mut daemon, servers, &database, ledgers).await;
    servers.drop(database).await;
    played
}

fn options(file: &str) -> DaemonOptions {
    // All of it stands in the file, where a reload finds it.
    [
        "DATABASE_URL",
        "DATABASE_REQUIRED",
        "REDIS_ENABLED",
        "BUDGETD__LIFECYCLE__DRAIN_DELAY",
    ]
    .into_iter()
    .fold(DaemonOptions::default(), DaemonOptions::unset)
    .tokens()
    .config(file)
}

/// Reloads go from one round to the next: to another pool, and to another way
/// to the same database.
fn config(case: &Case, servers: &Servers, slow: &FaultProxy, round: usize) -> String {
    let name = format!("moment_{}", case.number);
    let ways = [servers.postgres.port(), slow.port()];
    let database = url(ways[round % ways.len()], &name);
    let direct = match case.stage {
        Stage::SlowMigration => url(slow.port(), &name),
        _ => String::new(),
    };
    format!(
        "{BRISK}
        [lifecycle]
        drain_delay = \"{}ms\"
        drain_timeout = \"{}ms\"
        [database]
        direct_url = \"{direct}\"
        pool_size = {}
        [limits]
        reads_per_minute = 1000000
        writes_per_minute = 1000000
        [dependencies.database]
        url = \"{database}\"
        [dependencies.cache]
        url = \"{}\"
        ",
        case.drain_delay.as_millis(),
        case.drain_timeout.as_millis(),
        4 + round % 3,
        servers.redis.url(),
    )
}

/// Brings the daemon to where the stage begins.
async fn begin(case: &Case, options: DaemonOptions, slow: &FaultProxy) -> (Daemon, Option<Load>) {
    match case.stage {
        Stage::Start | Stage::Migration => (options.start(), None),
        Stage::SlowMigration => {
            let delay = case.chance(2).random_range(5..40);
            slow.set(Mode::Delay(Duration::from_millis(delay))).await;
            let daemon = options.start();
            until("it begins to migrate", PATIENCE, async || {
                (slow.accepted() > 0).then_some(())
            })
            .await;
            (daemon, None)
        }
        Stage::Service | Stage::Reload | Stage::BulkLoad | Stage::Drain => {
            let daemon = options.serve().await;
            let load = Load::begin(case, &daemon).await;
            if case.stage == Stage::Drain {
                daemon.signal(Signal::TERM);
            }
            (daemon, Some(load))
        }
    }
}

/// Waits for the moment and stops it; answers with the exit code, as a shell
/// tells it, and with how long that took.
async fn stop(
    case: &Case,
    daemon: &mut Daemon,
    servers: &Servers,
    slow: &FaultProxy,
) -> (i32, Duration) {
    let moment = sleep(case.moment);
    if case.stage == Stage::Reload {
        tokio::select! {
            () = moment => {}
            () = reload(case, daemon, servers, slow) => {}
        }
    } else {
        moment.await;
    }
    let signalled = Instant::now();
    let bound = case.drain_delay + case.drain_timeout + CLOSING;
    let bound = match (case.stage, case.manner) {
        (_, Manner::Kill) | (Stage::Drain, _) => AT_ONCE,
        (_, Manner::Term) => bound,
        (_, Manner::TermThenKill) => case.mercy + AT_ONCE,
    };
    match case.manner {
        Manner::Term => daemon.signal(Signal::TERM),
        Manner::Kill => daemon.signal(Signal::KILL),
        Manner::TermThenKill => {
            daemon.signal(Signal::TERM);
            sleep(case.mercy).await;
            daemon.signal(Signal::KILL);
        }
    }
    let code = daemon.shell_code_within(bound).await;
    // A drain may be over before its second signal, as any stop may be before
    // SIGKILL.
    let expected: &[i32] = match (case.stage, case.manner) {
        (Stage::Drain, Manner::Term) => &[0, 143],
        (Stage::Drain, Manner::TermThenKill) => &[0, 143, 137],
        (_, Manner::Term) => &[0],
        (Stage::Drain, Manner::Kill) | (_, Manner::TermThenKill) => &[0, 137],
        (_, Manner::Kill) => &[137],
    };
    // The first thing that the program does is to see to signals. Until then
    // the operating system does.
    let too_early = code == 143 && daemon.everything().trim().is_empty();
    assert!(
        expected.contains(&code) || too_early,
        "exit code {code}, not one of {expected:?}; it wrote:\n{}",
        daemon.everything()
    );
    (code, signalled.elapsed())
}

/// One reload after the other, for ever.
async fn reload(case: &Case, daemon: &Daemon, servers: &Servers, slow: &FaultProxy) {
    let mut chance = case.chance(3);
    for round in 1.. {
        daemon.rewrite_config(&config(case, servers, slow, round));
        daemon.signal(Signal::HUP);
        sleep(Duration::from_millis(chance.random_range(1..150))).await;
    }
}

/// The next start is one like any other, and reads what the database holds.
async fn start_again(
    case: &Case,
    daemon: &mut Daemon,
    servers: &Servers,
    database: &Database,
    ledgers: Vec<Ledger>,
) {
    daemon.serve_again().await;
    assert_eq!(daemon.until_overall("ok").await, 200);
    assert!(servers.is_migrated(database).await);
    let mut chance = case.chance(4);
    for mut ledger in ledgers {
        ledger.check_reads(&database.client).await;
        ledger.settle(&database.client, &mut chance).await;
        ledger.check_reads(&database.client).await;
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.shell_code_within(PATIENCE).await, 0);
    let mut lines = daemon.lines();
    lines.retain(|line| line["level"] == "error" || line["level"] == "warn");
    // A migration that takes longer than a check waits for it is told.
    lines.retain(|line| line["error"] != "the schema is being migrated");
    assert!(lines.is_empty(), "{lines:?}");
}
