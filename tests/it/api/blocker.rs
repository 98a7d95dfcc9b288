//! Holds up statements of the daemon, so that others can be seen to come
//! meanwhile.

use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::support::Postgres;
use crate::support::wait::{PATIENCE, until};

/// A transaction that holds locks until it is released.
pub(super) struct Blocker {
    client: Client,
    _connection: JoinSet<()>,
}

impl Blocker {
    /// Whose locks are those of `sql`.
    pub(super) async fn holding(database: &Postgres, sql: &str) -> Self {
        let connected = tokio_postgres::connect(&database.url(), NoTls).await;
        let (client, connection) = connected.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { drop(connection.await) });
        client
            .batch_execute(&format!("BEGIN; {sql}"))
            .await
            .unwrap();
        Self {
            client,
            _connection: task,
        }
    }

    /// How many statements wait for a lock.
    pub(super) async fn waiting(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let row = self.client.query_typed_one(sql, &[]).await.unwrap();
        row.get(0)
    }

    pub(super) async fn until_waiting(&self, count: i64) {
        until(format!("{count} statements wait"), PATIENCE, async || {
            (self.waiting().await == count).then_some(())
        })
        .await;
    }

    pub(super) async fn release(&self) {
        self.client.batch_execute("COMMIT").await.unwrap();
    }
}
