//! From the start of a process to its first 200.

use tokio::time::Instant;

use crate::Effort;
use crate::clients::answers;
use crate::contest::alternate;
use crate::goal::Goal;
use crate::peers::{Room, Web};
use crate::plot::Plot;
use crate::section::Section;
use crate::table::Table;
use crate::trio::Trio;
use crate::unit::{Unit, millis};

const HYPER: &str = "a minimal server on hyper";

pub(crate) async fn measure(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let runs = alternate(3, effort.of(100, 5), async |contestant| {
        let options = trio.options();
        let began = Instant::now();
        let answered = match contestant {
            0 => {
                let daemon = options.start();
                answers(daemon.api()).await
            }
            1 => answered(&Web::hyper("{}")).await,
            _ => answered(&Web::nginx(1, "{}", Room::Default)).await,
        };
        millis(answered - began)
    })
    .await;
    let [ours, hyper, nginx] = runs.try_into().expect("there were three");
    let table = Table::new("process start → first 200", Unit::Milliseconds)
        .with("budgetd, its dependencies up", ours)
        .with(HYPER, hyper)
        .with("nginx, 1 worker", nginx);
    let more = table.ours().median() - table.of(HYPER).median();
    Section {
        about: "From the call that starts the process to the first answer with code 200, asked \
                for every millisecond. budgetd has looked at Postgres, with its schema, and has \
                opened its API by then."
            .to_owned(),
        goals: vec![
            Goal::below("p99", table.ours().percentile(99), 40.0, Unit::Milliseconds),
            Goal::below(
                "median, more than the minimal server's",
                more,
                15.0,
                Unit::Milliseconds,
            ),
        ],
        plots: vec![Plot::bars("start", &table)],
        tables: vec![table],
        ..Section::default()
    }
}

async fn answered(server: &Web) -> Instant {
    answers(server.port()).await
}
