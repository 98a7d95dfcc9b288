//! A bulk load of 100,000 rows, beside `psql \copy` of the same rows into the
//! same table.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::cores::Cores;
use crate::report::Imports;
use crate::stage::{csv, daemon, database, load};
use crate::support::Postgres;
use crate::support::caller::Caller;

const ROUNDS: usize = 7;
const ROWS: usize = 100_000;
const GOAL: Duration = Duration::from_secs(3);

pub(crate) async fn measure(cores: Cores) -> Imports {
    let database = database().await;
    let daemon = daemon(cores, &database).serve().await;
    let caller = Caller::new(&daemon, "admin");
    let version = caller.create("Budget", 2026).await;
    let csv = csv(ROWS);
    let file = with_version(&csv, &version);
    let (mut api, mut peer) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        prepare(&database).await;
        let began = Instant::now();
        load(&caller, &version, &csv).await;
        api.push(began.elapsed());

        prepare(&database).await;
        peer.extend(copy(&database, file.path()));
    }
    let mut report = Imports::new(ROWS);
    report.add("`POST …/lines` of a CSV", &api, Some(GOAL));
    if !peer.is_empty() {
        report.add("`psql \\copy`, for comparison", &peer, None);
    }
    report
}

/// Each load meets an empty table and a server with nothing left to write.
async fn prepare(database: &Postgres) {
    database.execute("TRUNCATE budgetd.budget_lines").await;
    database.execute("CHECKPOINT").await;
}

/// The rows as the table takes them.
fn with_version(csv: &str, version: &Value) -> tempfile::NamedTempFile {
    let id = version["id"].as_str().expect("it has an id");
    let mut file = tempfile::NamedTempFile::new().expect("the folder is writable");
    for row in csv.lines().skip(1) {
        writeln!(file, "{id},{row}").expect("the disk has room");
    }
    file
}

/// `None`: there is no `psql`.
fn copy(database: &Postgres, file: &std::path::Path) -> Option<Duration> {
    let copy = format!(
        "\\copy budgetd.budget_lines (budget_version_id, account_code, account_name, category, \
         period, amount_sar, notes) FROM '{}' WITH (FORMAT csv)",
        file.display()
    );
    let began = Instant::now();
    let output = Command::new("psql")
        .arg(database.url())
        .args(["--no-psqlrc", "--command", &copy])
        .output()
        .ok()?;
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), format!("COPY {ROWS}"));
    Some(took)
}
