//! Faults of all kinds, one after the other, under load, for as long as one
//! wants: nothing that was acknowledged is lost, readiness never says what is
//! not so, everything recovers, and nothing is left behind.
//!
//! `etc/soak 60` does it for an hour; without being told otherwise this is a
//! moment's sample.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::support::scale;

mod rig;

mod faults;

mod load;

mod witness;

mod log;

mod report;

use faults::Fault;
use load::Load;
use report::Report;
use rig::{Rig, Truth, notices_within};
use witness::Witness;

/// So long it takes when nobody says.
const SAMPLE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_lives_through_whatever_comes() {
    let minutes = scale::number("BUDGETD_MINUTES");
    let duration = minutes.map_or(SAMPLE, |minutes: f64| {
        Duration::from_secs_f64(minutes * 60.0)
    });
    let seed = scale::seed();
    println!("seed {seed}");
    let mut chance = SmallRng::seed_from_u64(seed);
    let mut rig = Rig::start().await;
    let mut report = Report::begin(seed, &mut rig).await;
    let load = Load::begin(&rig, &mut chance).await;
    let witness = Witness::begin(&rig);
    let began = Instant::now();
    rig.truth.is(Truth::Up(began));
    // Even a moment's sample has a loss that must be noticed, and a while in
    // which there is none.
    let mut next = (Fault::NOTICED, notices_within());
    while began.elapsed() < duration || !witness.has_seen_calm() {
        let (what, lasting) = next;
        let took = faults::suffer(&mut rig, what, lasting, &mut chance).await;
        report.suffered(what, took);
        next = (faults::next(&mut chance), faults::lasting(&mut chance));
    }
    report.witnessed(witness.ended().await);
    report.loaded(load.ended(&rig).await);
    report.end(&mut rig, began.elapsed()).await;
    println!("{report}");
    report.keep();
    report.assert_good();
}
