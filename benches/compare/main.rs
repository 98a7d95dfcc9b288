//! Measures budgetd beside what people would use instead, all of it started on
//! this machine in one run, and prints Markdown: a section a row of questions,
//! with medians, spread, and how budgetd relates to each contestant.
//!
//! `etc/bench` installs the peers and calls it. Arguments name the sections that
//! are wanted (all but `calm`, which takes an hour, if there are none); `--quick`
//! only shows that everything works; `--write` renews `docs/performance.md` and
//! its plots.

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

#[path = "../support/loads.rs"]
mod loads;

#[path = "../support/machine.rs"]
mod machine;

#[path = "../support/stage.rs"]
mod stage;

#[path = "../support/statistics.rs"]
mod statistics;

#[path = "../support/swarm.rs"]
mod swarm;

mod contest;

mod crowd;

mod unit;

mod table;

mod goal;

mod grid;

mod section;

mod document;

mod plot;

mod wrk;

mod peers;

mod rows;

mod trio;

use it::support;

/// How much is done for each figure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    quick: bool,
}

impl Effort {
    /// The first number, or the second if this is only a trial.
    fn of<T>(self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Some contestants are this program, too.
    if let Some(role) = peers::own::Role::parse(&arguments) {
        peers::own::play(&role);
        return;
    }
    // `cargo test --all-targets` runs this program, too, in front of a daemon
    // that nobody should measure.
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("nothing is measured: use `cargo bench --bench compare`");
        return;
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let effort = Effort {
        quick: has("--quick"),
    };
    let named: Vec<&str> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .map(String::as_str)
        .collect();
    let rows = match rows::chosen(&named) {
        Ok(rows) => rows,
        Err(unknown) => {
            eprintln!("{unknown}");
            std::process::exit(2);
        }
    };
    // Servers die with the thread that started them, so there is but one.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system provides a runtime")
        .block_on(measure(&rows, effort, has("--write")));
}

async fn measure(rows: &[rows::Row], effort: Effort, writes: bool) {
    let machine = machine::description().await;
    println!("{machine}\n");
    for row in rows {
        eprintln!("measuring: {}", row.name());
        let section = Box::pin(row.measure(effort)).await;
        println!("{section}");
        if writes {
            document::renew(row.name(), &machine, &section);
        }
    }
}
