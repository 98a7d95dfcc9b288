//! A load of many lines, beside `psql \copy` of the same rows into the same
//! table.

use std::cell::Cell;

use crate::Effort;
use crate::contest::alternate;
use crate::goal::Goal;
use crate::loads::{by_psql, through_api, with_version};
use crate::plot::Plot;
use crate::section::Section;
use crate::stage::{csv, daemon, database};
use crate::statistics::count;
use crate::support::caller::Caller;
use crate::table::Table;
use crate::unit::Unit;

const PSQL: &str = "`psql \\copy`";

pub(crate) async fn measure(effort: Effort) -> Section {
    let rows = effort.of(100_000, 5_000);
    let database = database().await;
    let daemon = daemon(&database).serve().await;
    let caller = Caller::new(&daemon, "admin");
    let version = caller.create("Budget", 2026).await;
    let csv = csv(rows);
    let file = with_version(&csv, &version);
    let repeated = Cell::new(0_usize);
    let runs = alternate(2, effort.of(9, 1), async |contestant| {
        let took = if contestant == 0 {
            let load = through_api(&database, &caller, &version, &csv).await;
            repeated.update(|times| times + usize::from(load.repeated));
            load.took
        } else {
            by_psql(&database, rows, file.path()).await
        };
        count(rows) / took.as_secs_f64()
    })
    .await;
    let [ours, psql] = runs.try_into().expect("there were two");
    let table = Table::new("rows a second", Unit::PerSecond)
        .with("budgetd, `POST …/lines` of a CSV", ours)
        .with(PSQL, psql);
    let ratio = table.ours().median() / table.of(PSQL).median();
    Section {
        about: format!(
            "{rows} rows into an empty table of a server with the settings of a fresh \
             installation, but for segments of the write-ahead log of 1 MB (`--wal-segsize=1`); its \
             files lie {}. budgetd reads, judges and answers for each row, and takes all or none. \
             It supplies the ids of the rows, in ascending order; with `\\copy` the table makes \
             random ones. psql is the program itself, and not the script that Debian has in its \
             place. {} loads of budgetd were refused with 503 and done once more.",
            if database.data().starts_with("/dev/shm") {
                "in memory (`/dev/shm`)"
            } else {
                "on the disk"
            },
            repeated.get(),
        ),
        goals: vec![Goal::at_least(
            format!("rows a second ÷ those of {PSQL}"),
            ratio,
            0.7,
            Unit::Times,
        )],
        plots: vec![Plot::bars("bulk", &table)],
        tables: vec![table],
        ..Section::default()
    }
}
