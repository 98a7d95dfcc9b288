//! Measures the budget API on private servers and prints Markdown tables: how
//! fast it answers from each tier of the cache and without it, and how fast it
//! takes a large load.
//!
//! `cargo bench` builds the daemon as it is released; measuring takes about
//! two minutes. A figure that misses its goal is shown as one; only what cannot
//! be measured is an error.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a table is what this program is for"
)]

#[path = "../../tests/it"]
mod it {
    pub(crate) mod support;
}

#[path = "../support/clients.rs"]
#[allow(dead_code, reason = "shared with the other figures")]
mod clients;

#[path = "../support/cores.rs"]
mod cores;

mod imports;

#[path = "../support/loads.rs"]
mod loads;

#[path = "../support/machine.rs"]
#[allow(dead_code, reason = "shared with the other figures")]
mod machine;

mod reads;

mod report;

#[path = "../support/stage.rs"]
mod stage;

#[path = "../support/statistics.rs"]
mod statistics;

#[path = "../support/swarm.rs"]
mod swarm;

use cores::Cores;
use it::support;

fn main() {
    // `cargo test --all-targets` runs this program, too, in front of a daemon
    // that nobody should measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("nothing is measured: use `cargo bench --bench budget`");
        return;
    }
    // Before anything is started that would keep to the cores of this process.
    let cores = Cores::divide();
    // Servers die with the thread that started them, so there is but one.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system provides a runtime")
        .block_on(measure(cores));
}

async fn measure(cores: Cores) {
    let reads = reads::measure(cores).await;
    let imports = imports::measure(cores).await;
    let machine = machine::description(&[]).await;
    println!("{machine} {cores}\n\n{reads}\n{imports}");
}
