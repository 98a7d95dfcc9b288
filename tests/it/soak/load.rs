//! Clients that read and write, whatever comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_postgres::NoTls;

use super::rig::Rig;
use crate::support::caller::Caller;
use crate::support::ledger::Ledger;
use crate::support::visitor::Visitor;

const WRITERS: u16 = 3;
const READERS: usize = 4;
/// Between two requests of a client.
const PAUSE: Duration = Duration::from_millis(10);
/// So many of the writes are imports.
const IMPORTS: f64 = 0.01;
/// The rows of an import.
const ROWS: usize = 20;

/// What became of requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By code; 0 is a connection that broke.
    pub(super) codes: BTreeMap<u16, usize>,
    pub(super) slowest: Duration,
    pub(super) acknowledged: usize,
}

impl Tally {
    fn add(&mut self, code: u16, began: Instant) {
        *self.codes.entry(code).or_default() += 1;
        self.slowest = self.slowest.max(began.elapsed());
    }

    fn join(&mut self, other: Self) {
        for (code, times) in other.codes {
            *self.codes.entry(code).or_default() += times;
        }
        self.slowest = self.slowest.max(other.slowest);
    }
}

pub(super) struct Load {
    done: Arc<AtomicBool>,
    writers: JoinSet<(Ledger, Tally)>,
    readers: JoinSet<Tally>,
}

impl Load {
    pub(super) async fn begin(rig: &Rig, chance: &mut SmallRng) -> Self {
        let planner = Caller::new(&rig.daemon, "planner");
        let mut load = Self {
            done: Arc::default(),
            writers: JoinSet::new(),
            readers: JoinSet::new(),
        };
        let mut versions = Vec::new();
        for year in 2026..2026 + WRITERS {
            let ledger = Ledger::open(&planner, year).await;
            versions.push(ledger.version().to_owned());
            let chance = SmallRng::seed_from_u64(chance.random());
            let writing = write(ledger, chance, load.done.clone());
            load.writers.spawn(writing);
        }
        for _ in 0..READERS {
            let visitor = Visitor::of(rig.daemon.api()).with(planner.headers());
            let chance = SmallRng::seed_from_u64(chance.random());
            let reading = read(visitor, versions.clone(), chance, load.done.clone());
            load.readers.spawn(reading);
        }
        load
    }

    /// Ends it, and holds what was promised against the database, which must
    /// be well.
    pub(super) async fn ended(self, rig: &Rig) -> Tally {
        self.done.store(true, Relaxed);
        let mut all = Tally::default();
        for tally in self.readers.join_all().await {
            all.join(tally);
        }
        let (database, connection) = tokio_postgres::connect(&rig.postgres.url(), NoTls)
            .await
            .unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { drop(connection.await) });
        let mut chance = SmallRng::seed_from_u64(0);
        for (mut ledger, tally) in self.writers.join_all().await {
            all.join(tally);
            ledger.check(&database).await;
            ledger.settle(&database, &mut chance).await;
            ledger.check_reads(&database).await;
            all.acknowledged += ledger.acknowledged();
        }
        all
    }
}

/// What is in doubt is sent again until it is answered.
async fn write(mut ledger: Ledger, mut chance: SmallRng, done: Arc<AtomicBool>) -> (Ledger, Tally) {
    let mut tally = Tally::default();
    while !done.load(Relaxed) {
        let began = Instant::now();
        let code = ledger.write(&mut chance, ROWS, IMPORTS).await;
        tally.add(code.unwrap_or(0), began);
        sleep(PAUSE).await;
    }
    (ledger, tally)
}

async fn read(
    mut visitor: Visitor,
    versions: Vec<String>,
    mut chance: SmallRng,
    done: Arc<AtomicBool>,
) -> Tally {
    let mut tally = Tally::default();
    while !done.load(Relaxed) {
        let version = &versions[chance.random_range(0..versions.len())];
        let path = match chance.random_range(0..3) {
            0 => format!("/api/v1/budget-versions/{version}/lines"),
            1 => format!("/api/v1/consolidation/{version}/statements/income"),
            _ => format!("/api/v1/consolidation/{version}/summary"),
        };
        let began = Instant::now();
        let answer = visitor.get(&path).await;
        tally.add(answer.map_or(0, |answer| answer.code), began);
        sleep(PAUSE).await;
    }
    tally
}
