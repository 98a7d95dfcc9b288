//! Simulated histories: the supervisor's core, the gate and readiness under
//! virtual time, random graphs and random misfortune. After every event
//! everything that the contract promises is looked at.
//!
//! `BUDGETD_HISTORIES=5000000 cargo test --release --lib simulation::` runs as
//! many as one likes; `BUDGETD_SEED=n` begins with another seed than 0, so a
//! seed that failed is run again alone with `BUDGETD_HISTORIES=1`.

// Each of a world's flags is a fact of its own.
#![allow(clippy::struct_excessive_bools)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

mod history;

mod random;

mod monitors;

mod daemon;

mod world;

mod ledger;

mod invariants;

mod settling;

mod leave;

mod tally;

mod shrink;

mod wrong;

mod exhaustive;

use history::History;
use tally::Tally;
use wrong::Wrong;

/// As many as a plain `cargo test` runs.
const HISTORIES: u64 = 100_000;

/// Runs one; a panic is a failure like any other.
fn attempt(history: &History) -> Result<Tally, Wrong> {
    let ran = catch_unwind(AssertUnwindSafe(|| world::run(history)));
    ran.unwrap_or_else(|_| Err(Wrong::from("it panicked".to_owned())))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.replace('_', "").parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Runs histories on all cores until one fails.
fn run_all(first: u64, count: u64) -> Result<Tally, (u64, Wrong)> {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let work = || {
        let mut sum = Tally::default();
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            match attempt(&History::random(seed)) {
                Ok(tally) => sum.add(&tally),
                Err(wrong) => {
                    failed.store(true, Ordering::Relaxed);
                    return Err((seed, wrong));
                }
            }
        }
        Ok(sum)
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut sum = Tally::default();
        for thread in threads {
            sum.add(&thread.join().expect("its panics are caught")?);
        }
        Ok(sum)
    })
}

#[test]
fn whatever_happens_the_promises_hold() {
    let first = number("BUDGETD_SEED").unwrap_or(0);
    let count = number("BUDGETD_HISTORIES").unwrap_or(HISTORIES);
    match run_all(first, count) {
        Ok(tally) => {
            println!("{count} histories from seed {first}: {tally:?}");
            if count >= HISTORIES {
                tally.assert_rich();
            }
        }
        Err((seed, wrong)) => {
            let fails = |history: &History| {
                let failure = attempt(history).err();
                failure.filter(|other| other.is_same(&wrong))
            };
            let small = shrink::shrink(&History::random(seed), |less| fails(less).is_some());
            let again = fails(&small).map_or("no more".to_owned(), |wrong| wrong.to_string());
            panic!(
                "seed {seed}: {wrong}\nit shrinks to this history, which fails {again}:\n{small}"
            );
        }
    }
}
