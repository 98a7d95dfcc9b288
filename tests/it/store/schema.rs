//! Bringing a database's schema to what the program needs.

use budgetd::config::PostgresTarget;
use budgetd::store::StoreError;
use budgetd::store::schema::{MigrateError, Migrated, apply};
use futures_util::future::join_all;

use super::{Stand, both_ways};
use crate::support::{Postgres, within};

async fn applied(target: &PostgresTarget) -> Result<Option<Migrated>, MigrateError> {
    within("a migration", apply(target)).await
}

async fn number(url: &str, sql: &str) -> Result<i64, StoreError> {
    let stand = Stand::new(url);
    let read = stand
        .store
        .read(async |transaction| Ok(transaction.row(sql, &[]).await?.get(0)));
    within("a number", read).await
}

/// What stands in the schema, of any kind.
const OBJECTS: &str = "SELECT \
    (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('budgetd')) + \
    (SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('budgetd'))";

#[tokio::test]
async fn many_at_once_apply_it_once() {
    for pooled in [false, true] {
        let (postgres, pooler) = both_ways().await;
        let target = if pooled {
            pooler.target()
        } else {
            postgres.target()
        };
        let results = join_all((0..12).map(|_| applied(&target))).await;
        let done: Vec<Migrated> = results
            .into_iter()
            .filter_map(|result| result.unwrap())
            .collect();
        assert_eq!(done.len(), 1, "{done:?}");
        assert_eq!(done[0].from, 0);
        let history = "SELECT count(*) FROM budgetd.migrations";
        let count = number(&postgres.url(), history).await;
        assert_eq!(count, Ok(i64::from(done[0].to)));
        assert_eq!(applied(&target).await, Ok(None), "nothing is left to do");
    }
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    let postgres = Postgres::start().await;
    // In the way of a later statement of the migration.
    postgres
        .execute("CREATE SCHEMA budgetd; CREATE TABLE budgetd.idempotency_keys (mine int)")
        .await;
    let before = number(&postgres.url(), OBJECTS).await.unwrap();
    let refused = applied(&postgres.target()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Refused(_)), "{refused:?}");
    assert!(
        refused.to_string().contains("idempotency_keys"),
        "{refused}"
    );
    assert_eq!(number(&postgres.url(), OBJECTS).await, Ok(before));

    postgres
        .execute("DROP TABLE budgetd.idempotency_keys")
        .await;
    assert!(applied(&postgres.target()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_schema_that_is_too_new_is_left_alone_and_a_newer_one_is_right() {
    let postgres = Postgres::start().await;
    applied(&postgres.target()).await.unwrap();
    let newer = "INSERT INTO budgetd.migrations VALUES \
                 (9999, 'of_the_future', '2030-01-01T00:00:00Z', '1')";
    postgres.execute(newer).await;
    assert_eq!(applied(&postgres.target()).await, Ok(None));

    postgres
        .execute("UPDATE budgetd.compatibility SET oldest_binary = '99.1.0'")
        .await;
    let refused = applied(&postgres.target()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Incompatible(_)));
    assert!(refused.to_string().contains("99.1.0"), "{refused}");
}

#[tokio::test]
async fn a_migration_that_was_changed_after_it_was_applied_is_noticed() {
    let postgres = Postgres::start().await;
    applied(&postgres.target()).await.unwrap();
    // A first migration with another text, and one more to be applied.
    postgres
        .execute("UPDATE budgetd.migrations SET checksum = '1', version = version - 1")
        .await;
    let refused = applied(&postgres.target()).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn who_may_not_create_the_schema_is_told_and_may_be_given_it() {
    let postgres = Postgres::start().await;
    postgres
        .execute("CREATE ROLE planner LOGIN; REVOKE CREATE ON DATABASE postgres FROM PUBLIC")
        .await;
    let mut target = postgres.target();
    target.user = "planner".into();
    let refused = applied(&target).await.unwrap_err();
    assert!(refused.to_string().contains("CREATE SCHEMA"), "{refused}");
    postgres
        .execute("CREATE SCHEMA budgetd AUTHORIZATION planner")
        .await;
    assert!(applied(&target).await.unwrap().is_some());
}

#[tokio::test]
async fn a_lock_that_others_hold_is_waited_for_and_not_for_ever() {
    let postgres = Postgres::start().await;
    let stand = Stand::new(&postgres.url());
    let holder = stand.store.begin(budgetd::store::Access::Write).await;
    let holder = holder.unwrap();
    let lock = "SELECT pg_advisory_xact_lock(x'62756467657464'::bigint)";
    holder.rows(lock, &[]).await.unwrap();
    let refused = applied(&postgres.target()).await.unwrap_err();
    assert!(
        matches!(refused, MigrateError::Locked { .. }),
        "{refused:?}"
    );
    drop(holder);
    assert!(applied(&postgres.target()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let mut postgres = Postgres::start().await;
    let mut target = postgres.target();
    target.password = Some("sesame-4711".into());
    postgres.kill().await;
    let refused = applied(&target).await.unwrap_err();
    assert!(matches!(refused, MigrateError::Unavailable { .. }));
    let told = format!("{refused} {refused:?}");
    assert!(
        told.contains("refused") && !told.contains("sesame"),
        "{told}"
    );
}
