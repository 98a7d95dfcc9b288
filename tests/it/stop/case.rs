//! What is stopped, when and how: everything follows from a seed and a number.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// What the daemon is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Start,
    /// Reads and writes.
    Service,
    /// The same, under one reload after the other.
    Reload,
    /// The first start on a database that holds nothing.
    Migration,
    /// The same over a slow network.
    SlowMigration,
    /// CSV imports.
    BulkLoad,
    /// It was told to stop, and a client holds it up.
    Drain,
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::Start,
        Self::Service,
        Self::Reload,
        Self::Migration,
        Self::SlowMigration,
        Self::BulkLoad,
        Self::Drain,
    ];

    /// Whether the schema is there when the stage begins.
    pub(super) fn begins_migrated(self) -> bool {
        !matches!(self, Self::Migration | Self::SlowMigration)
    }

    /// How long it goes on, or can be expected to.
    fn span(self, drain: Duration) -> Duration {
        match self {
            Self::Start | Self::Migration => Duration::from_millis(600),
            Self::Service | Self::Reload => Duration::from_millis(800),
            Self::SlowMigration | Self::BulkLoad => Duration::from_millis(1_500),
            Self::Drain => drain + Duration::from_millis(100),
        }
    }
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Manner {
    Term,
    TermThenKill,
    Kill,
}

/// SIGTERM alone half of the time.
const MANNERS: [Manner; 4] = [
    Manner::Term,
    Manner::Kill,
    Manner::Term,
    Manner::TermThenKill,
];

#[derive(Debug, Clone)]
pub(super) struct Case {
    seed: u64,
    pub(super) number: usize,
    pub(super) stage: Stage,
    pub(super) manner: Manner,
    /// When the signal comes, from the beginning of the stage.
    pub(super) moment: Duration,
    /// From SIGTERM to SIGKILL.
    pub(super) mercy: Duration,
    pub(super) drain_delay: Duration,
    pub(super) drain_timeout: Duration,
}

impl Case {
    pub(super) fn of(seed: u64, number: usize) -> Self {
        let mut chance = chance(seed, number, 0);
        let stage = Stage::ALL[number % Stage::ALL.len()];
        let manner = MANNERS[number / Stage::ALL.len() % MANNERS.len()];
        let mut one_of = |millis: [u64; 3]| {
            let which = chance.random_range(0..millis.len());
            Duration::from_millis(millis[which])
        };
        let drain_delay = one_of([0, 100, 300]);
        let drain_timeout = one_of([200, 600, 2_000]);
        let span = stage.span(drain_delay + drain_timeout);
        Self {
            seed,
            number,
            stage,
            manner,
            moment: span.mul_f64(chance.random()),
            mercy: Duration::from_millis(300).mul_f64(chance.random()),
            drain_delay,
            drain_timeout,
        }
    }

    /// Chance of its own for each who needs some.
    pub(super) fn chance(&self, who: u64) -> SmallRng {
        chance(self.seed, self.number, who + 1)
    }
}

fn chance(seed: u64, number: usize, who: u64) -> SmallRng {
    let number = u64::try_from(number).unwrap();
    SmallRng::seed_from_u64(seed ^ number.rotate_left(32) ^ who.rotate_left(56))
}
