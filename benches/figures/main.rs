//! Measures the promised figures on private servers and prints them as a
//! Markdown table.
//!
//! `cargo bench` builds the daemon as it is released; measuring takes about two
//! minutes. A slow figure is shown as one that does not hold; only what cannot
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
mod clients;

mod idle;

mod loss;

#[path = "../support/machine.rs"]
mod machine;

mod report;

mod requests;

mod start;

#[path = "../support/statistics.rs"]
#[allow(dead_code, reason = "shared with the other figures")]
mod statistics;

use it::support;
use report::Report;

fn main() {
    // `cargo test --all-targets` runs this program, too, in front of a daemon
    // that nobody should measure.
    if !std::env::args().any(|argument| argument == "--bench") {
        eprintln!("nothing is measured: use `cargo bench --bench figures`");
        return;
    }
    // Servers die with the thread that started them, so there is but one.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system provides a runtime")
        .block_on(measure());
}

async fn measure() {
    let mut report = Report::default();
    start::from_process(&mut report).await;
    start::from_optional(&mut report).await;
    start::from_proxies(&mut report).await;
    start::from_servers(&mut report).await;
    loss::killed(&mut report).await;
    loss::refused(&mut report).await;
    loss::silent(&mut report).await;
    requests::turned_away(&mut report).await;
    requests::throughput(&mut report).await;
    idle::at_rest(&mut report).await;
    println!(
        "{}\n\n{report}",
        machine::description(&[("pgbouncer", "--version")]).await
    );
}
