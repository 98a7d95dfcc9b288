//! A bulk load of 100,000 rows, beside `psql \copy` of the same rows into the
//! same table.

use std::time::Duration;

use crate::cores::Cores;
use crate::loads::{by_psql, through_api, with_version};
use crate::report::Imports;
use crate::stage::{csv, daemon, database};
use crate::support::caller::Caller;

const ROUNDS: usize = 7;
const ROWS: usize = 100_000;
const GOAL: Duration = Duration::from_secs(3);

pub(crate) async fn measure(cores: Cores) -> Imports {
    let database = database().await;
    let daemon = cores.give(daemon(&database)).serve().await;
    let caller = Caller::new(&daemon, "admin");
    let version = caller.create("Budget", 2026).await;
    let csv = csv(ROWS);
    let file = with_version(&csv, &version);
    let (mut api, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        api.push(through_api(&database, &caller, &version, &csv).await);
        peer.push(by_psql(&database, ROWS, file.path()).await);
    }
    let mut report = Imports::new(ROWS);
    let repeated = api.iter().filter(|load| load.repeated).count();
    let figure = match repeated {
        0 => "`POST …/lines` of a CSV".to_owned(),
        _ => format!("`POST …/lines` of a CSV, {repeated} refused at first"),
    };
    let took: Vec<Duration> = api.iter().map(|load| load.took).collect();
    report.add(&figure, &took, Some(GOAL));
    report.add("`psql \\copy`, for comparison", &peer, None);
    report
}
