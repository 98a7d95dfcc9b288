//! Measures budgetd beside what people would use instead, all of it started on
//! this machine, and prints Markdown: a section a row of questions,
//! with medians, spread, and how budgetd relates to each contestant.
//!
//! `etc/bench` installs the peers and calls it. Arguments name the sections that
//! are wanted (all but `calm`, which takes an hour, if there are none); `--quick`
//! only shows that everything works; `--write` renews `docs/performance.md` and
//! its plots. A section that cannot be measured says why, and the others are
//! measured all the same.

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

mod arguments;

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

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use futures_util::FutureExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use arguments::Wanted;
use it::support;

/// Programs that say which version they are, and how they are asked.
const PROGRAMS: [(&str, &str); 4] = [
    ("nginx", "-v"),
    ("haproxy", "-v"),
    ("monit", "--version"),
    ("wrk", "--version"),
];

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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Some contestants are this program, too.
    if let Some(role) = peers::own::Role::parse(&arguments) {
        peers::own::play(&role);
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` runs this program, too, in front of a daemon
    // that nobody should measure.
    if !arguments.iter().any(|argument| argument == "--bench") {
        eprintln!("nothing is measured: use `cargo bench --bench compare`");
        return ExitCode::SUCCESS;
    }
    let wanted = match Wanted::parse(&arguments) {
        Ok(wanted) => wanted,
        Err(refusal) => {
            eprintln!("{refusal}");
            return ExitCode::from(2);
        }
    };
    raise_open_files();
    // Servers die with the thread that started them, so there is but one.
    let everything = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system provides a runtime")
        .block_on(measure(&wanted));
    ExitCode::from(u8::from(!everything))
}

/// Ten thousand clients, and as many dependencies: what is started here
/// inherits the limit.
fn raise_open_files() {
    const ENOUGH: u64 = 65_536;

    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(ENOUGH, |hard| hard.min(ENOUGH));
    if limit.current.is_some_and(|soft| soft < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            ..limit
        };
        setrlimit(Resource::Nofile, raised).expect("the hard limit allows it");
    }
}

/// Whether every section could be measured.
async fn measure(wanted: &Wanted) -> bool {
    let machine = machine::description(&PROGRAMS).await;
    println!("{machine}\n");
    let mut everything = true;
    for row in &wanted.rows {
        eprintln!("measuring: {}", row.name());
        // Servers of its own are all that a section leaves behind, and they
        // end with it.
        let measuring = AssertUnwindSafe(Box::pin(row.measure(wanted.effort)));
        match measuring.catch_unwind().await {
            Ok(section) => {
                println!("{section}");
                if wanted.writes {
                    document::renew(row.name(), &machine, &section);
                }
            }
            Err(panic) => {
                everything = false;
                println!("{}: not measured: {}\n", row.name(), reason(&*panic));
            }
        }
    }
    everything
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref().copied())
        .unwrap_or("it panicked without a word")
}
