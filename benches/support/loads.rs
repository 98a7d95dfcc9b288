//! Loads of many lines, through the API and past it.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::stage::taken;
use crate::support::caller::Caller;
use crate::support::{Postgres, postgres_program};

/// A load through the API.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) took: Duration,
    /// It was refused before, and done once more from the start.
    pub(crate) repeated: bool,
}

/// One load through the API. It meets an empty table and a server with nothing
/// left to write.
pub(crate) async fn through_api(
    database: &Postgres,
    caller: &Caller,
    version: &Value,
    csv: &str,
) -> Loaded {
    for repeated in [false, true] {
        prepare(database).await;
        let began = Instant::now();
        if taken(caller, version, csv).await {
            let took = began.elapsed();
            return Loaded { took, repeated };
        }
    }
    panic!("a load was refused twice");
}

/// The same rows by `psql \copy` into the same table, which is as empty.
pub(crate) async fn by_psql(database: &Postgres, rows: usize, file: &Path) -> Duration {
    let copy = format!(
        "\\copy budgetd.budget_lines (budget_version_id, account_code, account_name, category, \
         period, amount_sar, notes) FROM '{}' WITH (FORMAT csv)",
        file.display()
    );
    prepare(database).await;
    // The one in `PATH` may be a script around it.
    let mut psql = Command::new(postgres_program("psql"));
    psql.arg(database.url())
        .args(["--no-psqlrc", "--command", &copy]);
    let began = Instant::now();
    let output = psql.output().expect("it can be started");
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.trim() == format!("COPY {rows}"),
        "psql says {said:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    took
}

async fn prepare(database: &Postgres) {
    database.execute("TRUNCATE budgetd.budget_lines").await;
    database.execute("CHECKPOINT").await;
}

/// The rows as the table takes them.
pub(crate) fn with_version(csv: &str, version: &Value) -> tempfile::NamedTempFile {
    let id = version["id"].as_str().expect("it has an id");
    let mut file = tempfile::NamedTempFile::new().expect("the folder is writable");
    for row in csv.lines().skip(1) {
        writeln!(file, "{id},{row}").expect("the disk has room");
    }
    file
}
