//! Servers, daemons and budgets to measure with.

use std::fmt::Write;

use serde_json::Value;

use crate::support::caller::{Caller, below};
use crate::support::{DaemonOptions, Postgres, PostgresOptions};

/// A server with the settings of a fresh installation, and nothing to make it
/// faster or less safe.
pub(crate) async fn database() -> Postgres {
    let usual = [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("shared_buffers", "128MB"),
        ("max_wal_size", "1GB"),
        ("autovacuum", "on"),
    ];
    let options = PostgresOptions::default();
    usual
        .into_iter()
        .fold(options, |options, (name, value)| {
            options.setting(name, value)
        })
        .start()
        .await
}

/// A daemon with the default settings and limits that nobody here meets.
pub(crate) fn daemon(database: &Postgres) -> DaemonOptions {
    DaemonOptions::default()
        .database(&database.url())
        .tokens()
        .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "1000000")
        .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "1000000")
}

/// Lines on 400 accounts, over all categories and periods.
pub(crate) fn csv(rows: usize) -> String {
    const CATEGORIES: [&str; 8] = [
        "revenue_tuition",
        "revenue_fees",
        "personnel_teaching",
        "personnel_admin",
        "personnel_social",
        "operating_supplies",
        "operating_utilities",
        "capex_it",
    ];
    const PERIODS: [&str; 3] = ["p1", "summer", "p2"];
    let mut csv = String::from("account_code,account_name,category,period,amount_sar,notes\n");
    for row in 0..rows {
        let account = row % 400;
        let (category, period) = (CATEGORIES[account % 8], PERIODS[row % 3]);
        let amount = row * 7 % 100_000;
        let cents = row % 100;
        let _ = writeln!(
            csv,
            "{},Compte {account},{category},{period},{amount}.{cents:02},",
            6_000 + account
        );
    }
    csv
}

/// Adds lines to a version. `false`: budgetd cannot right now, as happens on a
/// busy machine.
pub(crate) async fn taken(caller: &Caller, version: &Value, csv: &str) -> bool {
    let said = caller.post_csv(&below(version, "/lines"), csv).await;
    assert!(
        matches!(said.code, 201 | 503),
        "{}: {}",
        said.code,
        said.body
    );
    said.code == 201
}

/// The same, asked a second time if it must be.
pub(crate) async fn load(caller: &Caller, version: &Value, csv: &str) {
    let done = taken(caller, version, csv).await || taken(caller, version, csv).await;
    assert!(done, "a load was refused twice");
}

/// Where the summary of a version is.
pub(crate) fn summary(version: &str) -> String {
    format!("/api/v1/consolidation/{version}/summary")
}
