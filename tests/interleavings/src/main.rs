//! Where threads meet in budgetd, in every order that the memory model permits.
//!
//! What is checked are the program's own files, compiled a second time. They
//! say `std`, `tokio` and `arc_swap`; here each of these names is this crate,
//! which has loom's parts where threads could tell the difference and the real
//! ones everywhere else. loom then runs each model once for every interleaving,
//! with every value that a load may see.
//!
//! loom, because it explores instead of sampling, and because it knows what
//! `Relaxed` and `Acquire` promise: schedulers that take every atomic for
//! sequentially consistent pass a wrong ordering.
//!
//! ThreadSanitizer would add nothing to it. A data race cannot be written in a
//! program that forbids `unsafe`; the libraries that have some are run by Miri
//! (`etc/miri`), which knows fences, while the sanitizer does not and reports
//! what is none. A wrong order of atomics, which can be written, is no data
//! race.

#![forbid(unsafe_code)]
// The files hold more than is used here.
#![allow(dead_code, unused_imports)]
// Time is only measured here, and nothing waits for it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

extern crate self as arc_swap;
extern crate self as std;
extern crate self as tokio;
extern crate std as real;

pub(crate) use real::*;

mod standin;

pub(crate) use standin::arc_swap::ArcSwap;
pub(crate) use standin::{sync, task, time};

#[path = "../../../src"]
mod program {
    pub(crate) mod dependency;

    pub(crate) mod shutdown;

    pub(crate) mod health;

    pub(crate) mod gate;

    pub(crate) mod cache {
        mod seats;

        #[path = "../../tests/interleavings/src/bound.rs"]
        pub(crate) mod bound;
    }

    pub(crate) mod http {
        mod admission;

        mod memory;

        mod activity;

        mod roster;

        mod exchange {
            #[derive(Debug)]
            pub(crate) struct Exchange;
        }

        #[path = "../../tests/interleavings/src/drain.rs"]
        pub(crate) mod drain;
    }
}

pub(crate) use program::{dependency, gate, health, shutdown};

mod hand_over;

mod models;

fn main() {
    models::check_all();
}
