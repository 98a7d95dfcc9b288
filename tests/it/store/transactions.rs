//! What a transaction promises.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use budgetd::store::{Access, Store, StoreError, Transaction};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use tokio_postgres::types::Type;

use super::{BRIEF, Stand, both_ways};
use crate::support::{FaultProxy, Postgres, wait, within};

async fn count(transaction: &Transaction) -> Result<i64, StoreError> {
    let row = transaction.row("SELECT count(*) FROM notes", &[]).await?;
    Ok(row.get(0))
}

async fn counted(store: &Store) -> i64 {
    within(
        "a count",
        store.read(async |transaction| count(&transaction).await),
    )
    .await
    .expect("it can be counted")
}

async fn insert(transaction: &Transaction, note: &str) -> Result<u64, StoreError> {
    transaction
        .execute("INSERT INTO notes VALUES ($1)", &[(&note, Type::TEXT)])
        .await
}

const NOTES: &str = "CREATE TABLE notes (note text CONSTRAINT notes_are_unique UNIQUE)";

#[tokio::test]
async fn what_is_written_is_read_directly_and_through_a_pooler() {
    let (postgres, pooler) = both_ways().await;
    postgres.execute(NOTES).await;
    for (url, way) in [(postgres.url(), "direct"), (pooler.url(), "pooled")] {
        let stand = Stand::new(&url);
        let before = counted(&stand.store).await;
        let writes = (0..40).map(|number| {
            let store = stand.store.clone();
            async move {
                let note = format!("{way} {number}");
                store
                    .write(async |transaction| {
                        insert(&transaction, &note).await?;
                        count(&transaction).await
                    })
                    .await
            }
        });
        let written = within("the writes", join_all(writes)).await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        assert_eq!(counted(&stand.store).await, before + 40);

        let copied = stand.store.write(async |transaction| {
            let parts = (0..1_000).map(|row| Bytes::from(format!("{way} copied {row}\n")));
            let sql = "COPY notes FROM STDIN";
            transaction.copy_in(sql, stream::iter(parts)).await
        });
        assert_eq!(within("a copy", copied).await, Ok(1_000));
        assert_eq!(counted(&stand.store).await, before + 1_040);
        assert_eq!(stand.hints(), 0);
        within("the end", stand.store.close(BRIEF)).await;
    }
}

#[tokio::test]
async fn handlers_can_be_moved_between_threads() {
    fn movable<T: Send>(future: T) -> T {
        future
    }
    let stand = Stand::new("postgres://localhost:1/nowhere");
    let store = stand.store.clone();
    let note = String::from("owned");
    let handler = movable(async move {
        let borrowed = note.as_str();
        let read = store.read(async |transaction| count(&transaction).await);
        let _: Result<i64, StoreError> = read.await;
        store
            .write(async |transaction| insert(&transaction, borrowed).await)
            .await
    });
    assert!(handler.await.is_err());
}

#[tokio::test]
async fn an_error_rolls_back_and_a_swallowed_one_is_not_committed() {
    let (postgres, pooler) = both_ways().await;
    postgres.execute(NOTES).await;
    for url in [postgres.url(), pooler.url()] {
        let stand = Stand::new(&url);
        let conflict = StoreError::Conflict {
            constraint: "notes_are_unique".to_owned(),
        };
        let twice = stand.store.write(async |transaction| {
            insert(&transaction, "a").await?;
            insert(&transaction, "a").await
        });
        assert_eq!(twice.await, Err(conflict.clone()));
        assert_eq!(counted(&stand.store).await, 0);

        let swallowed = stand.store.write(async |transaction| {
            insert(&transaction, "a").await?;
            assert_eq!(insert(&transaction, "a").await, Err(conflict.clone()));
            Ok(())
        });
        assert!(matches!(swallowed.await, Err(StoreError::Broken(_))));
        assert_eq!(counted(&stand.store).await, 0);
    }
}

#[tokio::test]
async fn a_read_sees_one_state_and_changes_nothing() {
    let postgres = Postgres::start().await;
    postgres.execute(NOTES).await;
    let stand = Stand::new(&postgres.url());
    let read = stand.store.read(async |transaction| {
        let before = count(&transaction).await?;
        stand
            .store
            .write(async |other| insert(&other, "meanwhile").await)
            .await?;
        assert_eq!(count(&transaction).await?, before);
        insert(&transaction, "mine").await
    });
    assert!(matches!(read.await, Err(StoreError::Unavailable(_))));
    assert_eq!(counted(&stand.store).await, 1);
}

#[tokio::test]
async fn statements_of_one_transaction_may_run_concurrently() {
    let (_postgres, pooler) = both_ways().await;
    let stand = Stand::new(&pooler.url());
    let sums = stand.store.read(async |transaction| {
        let transaction = &*transaction;
        let one = |number: i64| async move {
            let sql = "SELECT $1 + 1, current_setting('transaction_isolation')";
            let row = transaction.row(sql, &[(&number, Type::INT8)]).await?;
            Ok::<_, StoreError>((row.get::<_, i64>(0), row.get::<_, String>(1)))
        };
        let all = join_all((0..20).map(one)).await;
        all.into_iter().collect::<Result<Vec<_>, _>>()
    });
    let sums = within("the sums", sums).await.unwrap();
    for (number, (sum, isolation)) in (1..).zip(sums) {
        assert_eq!((sum, isolation.as_str()), (number, "repeatable read"));
    }
}

#[tokio::test]
async fn a_slow_statement_ends_at_its_timeout_and_the_connection_goes_on() {
    let (postgres, pooler) = both_ways().await;
    for url in [postgres.url(), pooler.url()] {
        let settings = [
            ("BUDGETD__DATABASE__STATEMENT_TIMEOUT", "300ms"),
            ("BUDGETD__DATABASE__POOL_SIZE", "1"),
        ];
        let stand = Stand::with(&url, &settings);
        let slow = stand
            .store
            .read(async |transaction| transaction.rows("SELECT pg_sleep(60)", &[]).await);
        let ended = within("the timeout", slow).await.map(|_| ());
        assert_eq!(ended, Err(StoreError::Timeout(Duration::from_millis(300))));
        let next = stand
            .store
            .read(async |transaction| transaction.rows("SELECT 1", &[]).await);
        assert_eq!(within("the next", next).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_statement_beside_one_that_fails_is_nobodys_fault() {
    let postgres = Postgres::start().await;
    let limit = ("BUDGETD__DATABASE__STATEMENT_TIMEOUT", "300ms");
    let stand = Stand::with(&postgres.url(), &[limit]);
    let told = OnceLock::new();
    let both = stand.store.read(async |transaction| {
        let slow = transaction.rows("SELECT pg_sleep(60)", &[]);
        let beside = transaction.rows("SELECT 1", &[]);
        let (slow, beside) = tokio::join!(slow, beside);
        let late = transaction.rows("SELECT 1", &[]).await;
        let errors = [slow, beside, late].map(Result::unwrap_err);
        told.set(errors).expect("it is not done again");
        Ok::<_, StoreError>(())
    });
    let _ = within("both", both).await;
    let [slow, beside, late] = told.into_inner().expect("it was done");
    assert_eq!(slow, StoreError::Timeout(Duration::from_millis(300)));
    assert!(matches!(beside, StoreError::Busy(_)), "{beside:?}");
    assert!(matches!(late, StoreError::Broken(_)), "{late:?}");
}

#[tokio::test]
async fn an_abandoned_statement_is_cancelled_and_frees_its_place() {
    let (postgres, pooler) = both_ways().await;
    let observer = Stand::new(&postgres.url());
    for url in [postgres.url(), pooler.url()] {
        let stand = Stand::with(&url, &[("BUDGETD__DATABASE__POOL_SIZE", "1")]);
        for access in [Access::Read, Access::Write] {
            let transaction = stand.store.begin(access).await.unwrap();
            let asleep = transaction.rows("SELECT pg_sleep(60)", &[]);
            assert!(tokio::time::timeout(BRIEF, asleep).await.is_err());
            drop(transaction);
            let count = stand.store.read(async |transaction| {
                let row = transaction.row("SELECT 1", &[]).await?;
                Ok::<i32, StoreError>(row.get(0))
            });
            assert_eq!(within("the next", count).await, Ok(1));
            let sleeping = "SELECT count(*) FROM pg_stat_activity \
                            WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() \
                            AND state = 'active'";
            wait::until("nobody sleeps", Duration::from_secs(5), async || {
                let asleep = observer.store.read(async |transaction| {
                    let row = transaction.row(sleeping, &[]).await?;
                    Ok::<i64, StoreError>(row.get(0))
                });
                (asleep.await.unwrap() == 0).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_pooler_outlives_what_was_cancelled_while_its_server_stood_still() {
    let (postgres, pooler) = both_ways().await;
    let proxy = FaultProxy::in_front_of(pooler.port()).await;
    let through = pooler
        .url()
        .replace(&pooler.port().to_string(), &proxy.port().to_string());
    let stand = Stand::with(&through, &[("BUDGETD__DATABASE__STATEMENT_TIMEOUT", "2s")]);
    let ask = || {
        let asked = stand
            .store
            .read(async |transaction| transaction.rows("SELECT 1", &[]).await);
        within("a read", asked)
    };
    ask().await.expect("the server is well");

    postgres.freeze();
    let abandoned = tokio::time::timeout(BRIEF, ask()).await;
    abandoned.expect_err("nobody answers");
    ask().await.expect_err("nobody answers");
    postgres.thaw();
    wait::until("nobody is left", wait::PATIENCE, async || {
        (proxy.open() == 0).then_some(())
    })
    .await;
    ask().await.expect("the pooler is there");
}

#[tokio::test]
async fn a_read_that_loses_its_connection_is_done_again_and_a_write_is_not() {
    let (postgres, pooler) = both_ways().await;
    for url in [postgres.url(), pooler.url()] {
        let stand = Stand::new(&url);
        let runs = AtomicUsize::new(0);
        let lethal = async |transaction: Arc<Transaction>| {
            let first = runs.fetch_add(1, Ordering::SeqCst) == 0;
            let sql = "SELECT CASE WHEN $1 THEN pg_terminate_backend(pg_backend_pid()) END";
            transaction.rows(sql, &[(&first, Type::BOOL)]).await
        };
        within("a read", stand.store.read(lethal)).await.unwrap();
        assert_eq!(runs.swap(0, Ordering::SeqCst), 2);
        assert_eq!(stand.hints(), 1);

        let write = within("a write", stand.store.write(lethal)).await;
        assert!(
            matches!(write, Err(StoreError::Unavailable(_))),
            "{write:?}"
        );
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!(stand.hints(), 2);
    }
}

#[tokio::test]
async fn a_write_does_not_fail_for_a_connection_that_died_in_the_pool() {
    let postgres = Postgres::start().await;
    postgres.execute(NOTES).await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let url = format!("postgres://postgres@localhost:{}/postgres", proxy.port());
    let stand = Stand::new(&url);
    for note in 0..20 {
        // Whether the pool has noticed before it lends the connection or not.
        proxy.cut();
        let note = note.to_string();
        let write = stand
            .store
            .write(async |transaction| insert(&transaction, &note).await);
        within("a write", write).await.unwrap();
    }
    assert_eq!(counted(&stand.store).await, 20);
}
