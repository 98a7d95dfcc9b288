//! A stop at any moment, in any manner: it takes no longer than the settings
//! allow, nothing that was acknowledged is lost, nothing is there by half, and
//! the next start is none the worse.
//!
//! `etc/stops 200` plays so many moments; without being told otherwise these
//! are a sample.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt, stream};

use crate::support::scale;

mod case;

mod servers;

mod play;

mod load;

mod table;

use case::Case;
use play::Played;
use servers::Servers;

/// Each stage in each manner, and SIGTERM alone twice.
const SAMPLE: usize = 28;
/// So many are played at once: mostly they wait.
const LANES: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_may_be_stopped_at_any_moment() {
    let seed = scale::seed();
    let moments = scale::number("BUDGETD_MOMENTS").unwrap_or(SAMPLE);
    let only: Option<usize> = scale::number("BUDGETD_MOMENT");
    let numbers = only.map_or(0..moments, |only| only..only + 1);
    println!("seed {seed}");
    let servers = Servers::start().await;
    let ended: Vec<Result<Played, Case>> = stream::iter(numbers.clone())
        .map(async |number| {
            let case = Case::of(seed, number);
            let played = AssertUnwindSafe(play::play(&case, &servers));
            played.catch_unwind().await.map_err(|_| case)
        })
        .buffer_unordered(LANES)
        .collect()
        .await;
    let (mut played, mut failed) = (Vec::new(), Vec::new());
    for one in ended {
        match one {
            Ok(one) => played.push(one),
            Err(case) => failed.push(case),
        }
    }
    println!("{}", table::of(&played));
    for case in &failed {
        println!(
            "failed: {case:?}; again: BUDGETD_SEED={seed} BUDGETD_MOMENT={} etc/stops",
            case.number
        );
    }
    assert!(
        failed.is_empty(),
        "{} of {moments} moments failed",
        failed.len()
    );
    if numbers.len() >= SAMPLE {
        // Some of so many moments come amid work.
        let sum = |of: fn(&Played) -> usize| played.iter().map(of).sum::<usize>();
        assert!(sum(|one| one.acknowledged) > 0, "nothing was promised");
        assert!(sum(|one| one.in_doubt) > 0, "nothing was cut off");
    }
}
