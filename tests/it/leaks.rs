//! Whatever comes and goes leaves nothing behind: open files, tasks, threads,
//! memory, and connections of the servers are what they were.
//!
//! `etc/leaks` does it at full length; without being told otherwise this is a
//! sample.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use crate::support::scale;

mod rig;

pub(crate) mod held;

mod flaps;

mod reloads;

mod requests;

use held::Book;
use rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaks() {
    let flaps: usize = scale::number("BUDGETD_FLAPS").unwrap_or(60);
    let changes: usize = scale::number("BUDGETD_RELOADS").unwrap_or(40);
    let asked: usize = scale::number("BUDGETD_REQUESTS").unwrap_or(8_000);
    let rig = Rig::start().await;

    // Whatever is made once and kept is made now: pools, caches, the threads
    // of the runtime, the memory of the allocator.
    flaps::run(&rig, flaps.div_ceil(20)).await;
    reloads::run(&rig, changes.div_ceil(20).max(reloads::KINDS)).await;
    requests::run(&rig, asked.div_ceil(20)).await;
    let mut book = Book::open(&rig).await;

    flaps::run(&rig, flaps / 2).await;
    book.enter(&rig, &format!("{} flaps of each", flaps / 2))
        .await;
    flaps::run(&rig, flaps - flaps / 2).await;
    book.enter_second(&rig, &format!("{flaps} flaps of each"))
        .await;

    reloads::run(&rig, changes / 2).await;
    book.enter(&rig, &format!("{} reloads", changes / 2)).await;
    reloads::run(&rig, changes - changes / 2).await;
    book.enter_second(&rig, &format!("{changes} reloads")).await;

    requests::run(&rig, asked / 2).await;
    book.enter(&rig, &format!("{} requests", asked / 2)).await;
    let codes = requests::run(&rig, asked - asked / 2).await;
    book.enter_second(&rig, &format!("{asked} requests")).await;
    println!("{book}\nanswers of the second half, by code: {codes:?}");
}
