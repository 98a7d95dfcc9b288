//! The database is up only while its schema is right.

use budgetd::probe::postgres::{Driver, open};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use tokio_postgres::Client;

use crate::support::{
    BRISK, Daemon, DaemonOptions, PATIENCE, PgBouncer, Port, Postgres, PostgresOptions, wait,
    within,
};

/// Someone else who migrates: nobody does until this is dropped.
struct Migrating {
    _client: Client,
    _driver: Driver,
}

impl Migrating {
    async fn at(postgres: &Postgres) -> Self {
        let (client, mut driver) = open(&postgres.target()).await.unwrap();
        let lock = "BEGIN; SELECT pg_advisory_xact_lock(x'62756467657464'::bigint)";
        let locked = driver.run(client.batch_execute(lock)).await;
        locked.unwrap().unwrap();
        Self {
            _client: client,
            _driver: driver,
        }
    }
}

async fn number(postgres: &Postgres, sql: &str) -> i64 {
    let (client, mut driver) = open(&postgres.target()).await.unwrap();
    let row = driver.run(client.query_typed_one(sql, &[])).await;
    row.unwrap().unwrap().get(0)
}

const APPLIED: &str = "SELECT count(*) FROM budgetd.migrations";

fn raise_the_oldest(version: &str) -> String {
    format!("UPDATE budgetd.compatibility SET oldest_binary = '{version}'")
}

/// Waits until the database is refused with these words.
async fn until_refused(daemon: &Daemon, words: &str) -> Value {
    wait::until(format!("refused: {words}"), PATIENCE, async || {
        let (_, document) = daemon.readiness().await;
        let check = document["checks"]["database"].clone();
        let error = check["error"].as_str().unwrap_or_default();
        error.contains(words).then_some(check)
    })
    .await
}

#[tokio::test]
async fn many_instances_that_start_at_once_apply_it_once() {
    let postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres).await;
    let starting = (0..6).map(|_| {
        DaemonOptions::default()
            .brisk()
            .database(&pooler.url())
            .variable("DIRECT_URL", &postgres.url())
            .serve()
    });
    let daemons = join_all(starting).await;
    let migrated: Vec<Value> = daemons
        .iter()
        .flat_map(|daemon| daemon.lines_of("schema_migrated"))
        .collect();
    let [line] = migrated.as_slice() else {
        panic!("it was applied {} times", migrated.len());
    };
    assert_eq!(line["from"], 0);
    assert_eq!(line["to"], number(&postgres, APPLIED).await);
    for daemon in &daemons {
        assert_eq!(daemon.readiness().await.0, 200);
    }
}

#[tokio::test]
async fn a_schema_that_is_right_costs_no_failure_and_no_migration() {
    let postgres = Postgres::start().await;
    let options = || DaemonOptions::default().brisk().database(&postgres.url());
    let mut first = options().serve().await;
    first.signal(Signal::INT);
    assert_eq!(first.exit().await, 0);
    assert!(first.place("database_pool_closed") < first.place("application_shutdown_complete"));

    // Nobody asks the direct address while nothing is pending.
    let nowhere = Port::reserve();
    let direct = format!(
        "postgres://postgres@localhost:{}/postgres",
        nowhere.number()
    );
    let mut daemon = options().variable("DIRECT_URL", &direct).serve().await;
    daemon.until_checked("database", 3).await;
    daemon.assert_transitions("database", &["ready"]).await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit().await, 0);
    assert!(daemon.lines_of("schema_migrated").is_empty());
}

#[tokio::test]
async fn while_someone_else_migrates_it_is_not_ready_and_then_it_is() {
    let postgres = Postgres::start().await;
    let migrating = Migrating::at(&postgres).await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .start();
    daemon.open().await;
    let check = until_refused(&daemon, "the schema is being migrated").await;
    assert_eq!(check["error_kind"], "not_ready");
    assert!(daemon.get("/health").await.is_err(), "the gate is shut");
    drop(migrating);
    daemon.event("application_startup_complete").await;
    assert_eq!(daemon.lines_of("schema_migrated").len(), 1);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_migration() {
    let postgres = Postgres::start().await;
    let _migrating = Migrating::at(&postgres).await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .start();
    daemon.open().await;
    until_refused(&daemon, "the schema is being migrated").await;
    daemon.signal(Signal::TERM);
    assert_eq!(
        daemon.exit_within(std::time::Duration::from_secs(3)).await,
        0
    );
}

#[tokio::test]
async fn told_only_to_check_it_never_migrates() {
    let postgres = Postgres::start().await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .variable("BUDGETD__DATABASE__MIGRATE", "check")
        .start();
    daemon.open().await;
    let check = until_refused(&daemon, "run `budgetd migrate`").await;
    assert_eq!(check["error_kind"], "not_ready");
    let there = "SELECT count(*) FROM pg_namespace WHERE nspname = 'budgetd'";
    assert_eq!(number(&postgres, there).await, 0);

    let mut command = daemon.options().command(&["migrate"]);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = within("budgetd migrate", output).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    daemon.event("application_startup_complete").await;
}

#[tokio::test]
async fn a_migration_that_fails_is_told_and_tried_again() {
    let postgres = Postgres::start().await;
    postgres
        .execute("CREATE SCHEMA budgetd; CREATE TABLE budgetd.budget_lines (mine int)")
        .await;
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .start();
    daemon.open().await;
    until_refused(&daemon, "nothing was changed: relation \"budget_lines\"").await;
    postgres.execute("DROP TABLE budgetd.budget_lines").await;
    daemon.event("application_startup_complete").await;
}

#[tokio::test]
async fn a_direct_url_of_another_database_is_noticed() {
    let (postgres, other) = (Postgres::start().await, Postgres::start().await);
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .variable("DIRECT_URL", &other.url())
        .start();
    daemon.open().await;
    until_refused(&daemon, "DIRECT_URL").await;
    assert_eq!(daemon.exit_now(), None);
}

#[tokio::test]
async fn a_direct_url_that_nobody_answers_shows_no_password() {
    let postgres = PostgresOptions::default().password("sesame").start().await;
    let nowhere = Port::reserve();
    let direct = format!(
        "postgres://postgres:open-4711@localhost:{}/x",
        nowhere.number()
    );
    let mut daemon = DaemonOptions::default()
        .brisk()
        .database(&postgres.url())
        .variable("DIRECT_URL", &direct)
        .start();
    daemon.open().await;
    until_refused(&daemon, "connection refused").await;
    let (_, document) = daemon.readiness().await;
    let told = format!("{document} {}", daemon.everything());
    assert!(!told.contains("sesame") && !told.contains("4711"), "{told}");
}

#[tokio::test]
async fn a_schema_that_needs_a_newer_program_ends_it_with_78() {
    let postgres = Postgres::start().await;
    let options = || DaemonOptions::default().brisk().database(&postgres.url());
    let mut daemon = options().serve().await;
    // A newer program has added something: both go on.
    let newer = "INSERT INTO budgetd.migrations VALUES \
                 (9999, 'of_the_future', '2030-01-01T00:00:00Z', '1')";
    postgres.execute(newer).await;
    daemon.until_checked("database", 3).await;
    let mut second = options().serve().await;
    second.signal(Signal::INT);
    assert_eq!(second.exit().await, 0);
    assert_eq!(daemon.readiness().await.0, 200);

    postgres.execute(&raise_the_oldest("99.0.0")).await;
    assert_eq!(daemon.exit().await, 78);
    let mut third = options().start();
    assert_eq!(third.exit().await, 78);
    assert!(third.lines_of("listener_opened").is_empty());
    for ended in [&daemon, &third] {
        let error = ended.stderr();
        assert!(
            error.contains("99.0.0") && error.contains("newer"),
            "{error}"
        );
    }
}

fn database_table(url: &str) -> String {
    format!("{BRISK}[dependencies.database]\nurl = \"{url}\"\nstartup_deadline = \"2s\"\n")
}

#[tokio::test]
async fn a_reload_migrates_the_new_database_before_it_is_swapped_in() {
    let (old, new) = (Postgres::start().await, Postgres::start().await);
    let migrating = Migrating::at(&new).await;
    let mut daemon = DaemonOptions::default()
        .unset("DATABASE_URL")
        .unset("DATABASE_REQUIRED")
        .config(&database_table(&old.url()))
        .serve()
        .await;
    daemon.rewrite_config(&database_table(&new.url()));
    daemon.signal(Signal::HUP);
    let refused = daemon.event("config_reload_failed").await;
    let problems = refused["problems"].as_str().unwrap();
    assert!(
        problems.contains("the schema is being migrated"),
        "{problems}"
    );
    assert_eq!(daemon.readiness().await.0, 200);

    drop(migrating);
    daemon.signal(Signal::HUP);
    daemon.event("config_reloaded").await;
    assert!(number(&new, APPLIED).await > 0);
    assert_eq!(daemon.readiness().await.0, 200);
}

#[tokio::test]
async fn a_reload_to_a_database_that_is_too_new_is_refused_and_ends_nothing() {
    let (old, new) = (Postgres::start().await, Postgres::start().await);
    budgetd::store::schema::apply(&new.target()).await.unwrap();
    new.execute(&raise_the_oldest("99.0.0")).await;
    let mut daemon = DaemonOptions::default()
        .unset("DATABASE_URL")
        .unset("DATABASE_REQUIRED")
        .config(&database_table(&old.url()))
        .serve()
        .await;
    daemon.rewrite_config(&database_table(&new.url()));
    daemon.signal(Signal::HUP);
    let refused = daemon.event("config_reload_failed").await;
    let problems = refused["problems"].as_str().unwrap();
    assert!(problems.contains("99.0.0"), "{problems}");
    assert_eq!(daemon.readiness().await.0, 200);
}
