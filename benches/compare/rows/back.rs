//! While everything starts: from the moment in which the last dependency
//! accepts to an open API.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::Effort;
use crate::clients::{PAUSE, accepts};
use crate::goal::Goal;
use crate::peers::{Beat, moment_of};
use crate::plot::Plot;
use crate::section::Section;
use crate::support::{DaemonOptions, FaultProxy, Mode, Postgres, find, postgres_program};
use crate::table::Table;
use crate::unit::{Unit, millis};

const DATABASE: &str = "database";

/// Everyone waits for the same database, and it comes to all at the same time.
pub(crate) async fn measure(effort: Effort) -> Section {
    let database = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(database.port()).await;
    let port = proxy.port();
    let beat = Beat::default().postgres(DATABASE, port);
    let [mut ours, mut script, mut until, mut asked] = std::array::from_fn(|_| Vec::new());
    for _ in 0..effort.of(100, 2) {
        proxy.set(Mode::Refuse).await;
        let mut daemon = DaemonOptions::default()
            .database(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))
            .start();
        daemon.open().await;
        daemon.until_status(DATABASE, "error").await;
        moment_of(&beat, PAUSE, DATABASE, false).await;
        let comes = async {
            sleep(Duration::from_millis(rand::random_range(500..1_500))).await;
            let began = Instant::now();
            proxy.set(Mode::Pass).await;
            began
        };
        let (began, open, waited, looped, known) = tokio::join!(
            comes,
            accepts(daemon.api()),
            ended(wait_for_it(port)),
            ended(until_ready(port)),
            moment_of(&beat, PAUSE, DATABASE, true),
        );
        for (tries, seen) in [
            (&mut ours, open),
            (&mut script, waited),
            (&mut until, looped),
            (&mut asked, known),
        ] {
            tries.push(millis(seen - began));
        }
    }
    let table = Table::new(
        "the database accepts → seen, while starting",
        Unit::Milliseconds,
    )
    .with("budgetd: its API accepts", ours)
    .with("`wait-for-it` ends", script)
    .with("`until pg_isready; do sleep 1; done` ends", until)
    .with("a loop that asks every second knows", asked);
    Section {
        about: "A proxy in front of Postgres refuses, and then accepts: that moment is exact. \
                budgetd has opened its API when it is seen; behind the others, the start of a \
                server would begin. All of them wait at the same time, for the same moment. For returns after a loss, see there."
            .to_owned(),
        goals: vec![Goal::below(
            "p99",
            table.ours().percentile(99),
            150.0,
            Unit::Milliseconds,
        )],
        plots: vec![Plot::bars("back", &table)],
        tables: vec![table],
        ..Section::default()
    }
}

/// The script that container images carry, without its limit.
fn wait_for_it(port: u16) -> Command {
    let mut command = Command::new(find("wait-for-it", "wait-for-it"));
    command.args(["--quiet", "--timeout=0", &format!("127.0.0.1:{port}")]);
    command
}

fn until_ready(port: u16) -> Command {
    let ready = postgres_program("pg_isready");
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!(
        "until {} -q -h 127.0.0.1 -p {port}; do sleep 1; done",
        ready.display()
    ));
    command
}

async fn ended(mut command: Command) -> Instant {
    let status = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await;
    assert!(status.expect("it can be started").success());
    Instant::now()
}
