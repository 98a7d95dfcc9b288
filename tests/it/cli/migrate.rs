use super::run;
use crate::support::{DaemonOptions, Port, Postgres, PostgresOptions};

#[tokio::test]
async fn it_applies_what_is_pending_and_says_what_it_did() {
    let postgres = PostgresOptions::default().password("sesame").start().await;
    let options = DaemonOptions::default().database(&postgres.url());
    let first = run(&options, &["migrate"]).await;
    first.exits(0).prints("is at version").prints("it was at 0");
    assert!(!first.stdout.contains("sesame"), "{first:?}");
    let second = run(&options, &["migrate"]).await;
    second.exits(0).prints("lacks nothing");

    postgres
        .execute("UPDATE budgetd.compatibility SET oldest_binary = '99.0.0'")
        .await;
    let refused = run(&options, &["migrate"]).await;
    refused.exits(78).says("99.0.0");
}

#[tokio::test]
async fn it_connects_to_the_direct_url() {
    let postgres = Postgres::start().await;
    let nowhere = Port::reserve();
    let options = DaemonOptions::default()
        .database(&format!("postgres://localhost:{}/x", nowhere.number()))
        .variable("DIRECT_URL", &postgres.url());
    run(&options, &["migrate"]).await.exits(0);
}

#[tokio::test]
async fn what_keeps_it_from_doing_so_has_a_code_of_its_own() {
    let nowhere = Port::reserve();
    let url = format!(
        "postgres://postgres:open-4711@localhost:{}/x",
        nowhere.number()
    );
    let unreachable = run(&DaemonOptions::default().database(&url), &["migrate"]).await;
    unreachable.exits(69).says("connection refused");
    assert!(!unreachable.stderr.contains("4711"), "{unreachable:?}");

    let nothing = run(&DaemonOptions::default(), &["migrate"]).await;
    nothing.exits(78).says("DATABASE_URL");

    let postgres = Postgres::start().await;
    postgres
        .execute("CREATE SCHEMA budgetd; CREATE TABLE budgetd.budget_lines (mine int)")
        .await;
    let options = DaemonOptions::default().database(&postgres.url());
    let failed = run(&options, &["migrate"]).await;
    failed.exits(70).says("nothing was changed");
}
