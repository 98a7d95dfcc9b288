//! One Postgres and one Redis for all, and a database for each.

use std::time::Duration;

use budgetd::store::schema;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::{Client, NoTls};

use crate::support::wait::until;
use crate::support::{PATIENCE, Postgres, PostgresOptions, Redis};

/// A database that holds the schema and nothing else.
const TEMPLATE: &str = "migrated";

pub(super) struct Servers {
    pub(super) postgres: Postgres,
    pub(super) redis: Redis,
    /// What a whole schema looks like.
    whole: String,
}

impl Servers {
    pub(super) async fn start() -> Self {
        let postgres = PostgresOptions::default().setting("max_connections", "300");
        let postgres = postgres.start().await;
        let create = format!("CREATE DATABASE {TEMPLATE}");
        postgres.execute(&create).await;
        let mut target = postgres.target();
        TEMPLATE.clone_into(&mut target.database);
        schema::apply(&target).await.unwrap();
        let whole = {
            let template = Database::connect(&postgres, TEMPLATE).await;
            template.shape().await
        };
        Self {
            redis: Redis::start().await,
            postgres,
            whole,
        }
    }

    /// A new database, with the schema or without.
    pub(super) async fn database(&self, name: &str, migrated: bool) -> Database {
        let template = if migrated { TEMPLATE } else { "template1" };
        // Nobody may be connected to a template, and sessions end a moment
        // after their clients.
        until("the template is free", PATIENCE, async || {
            let sessions = Database::connect(&self.postgres, "postgres").await;
            let there = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = '{template}' \
                 AND backend_type = 'client backend'"
            );
            (sessions.number(&there).await == 0).then_some(())
        })
        .await;
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        self.postgres.execute(&create).await;
        Database::connect(&self.postgres, name).await
    }

    /// Whether the schema is there as a whole. One that is there by half fails
    /// the test.
    pub(super) async fn is_migrated(&self, database: &Database) -> bool {
        let shape = database.shape().await;
        assert!(
            shape.is_empty() || shape == self.whole,
            "a schema by half: {shape}"
        );
        !shape.is_empty()
    }

    pub(super) async fn drop(&self, database: Database) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", database.name);
        std::mem::drop(database);
        self.postgres.execute(&drop).await;
    }
}

/// A database, seen over a connection of the test's own.
pub(super) struct Database {
    pub(super) name: String,
    pub(super) client: Client,
    _connection: JoinSet<()>,
}

impl Database {
    async fn connect(postgres: &Postgres, name: &str) -> Self {
        let url = url(postgres.port(), name);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { drop(connection.await) });
        Self {
            name: name.to_owned(),
            client,
            _connection: task,
        }
    }

    async fn number(&self, sql: &str) -> i64 {
        let row = self.client.query_typed_one(sql, &[]).await.unwrap();
        row.get(0)
    }

    /// Everything that the schema consists of; empty without one.
    async fn shape(&self) -> String {
        let shape = "SELECT coalesce(string_agg(part, ' ' ORDER BY part), '') FROM (\
             SELECT 'schema' AS part FROM pg_namespace WHERE nspname = 'budgetd' \
             UNION ALL SELECT relkind::text || ':' || relname FROM pg_class \
             WHERE relnamespace = to_regnamespace('budgetd') \
             UNION ALL SELECT 'function:' || proname FROM pg_proc \
             WHERE pronamespace = to_regnamespace('budgetd') \
             UNION ALL SELECT 'trigger:' || tgname FROM pg_trigger \
             JOIN pg_class ON pg_class.oid = tgrelid \
             WHERE NOT tgisinternal AND relnamespace = to_regnamespace('budgetd')) AS parts";
        let row = self.client.query_typed_one(shape, &[]).await.unwrap();
        row.get(0)
    }

    /// Waits until the server keeps nothing for those who have gone: no
    /// session, so no transaction either, and no lock. How long it took.
    pub(super) async fn until_left(&self) -> Duration {
        let began = Instant::now();
        until("the server lets go of everything", PATIENCE, async || {
            let kept = "SELECT (SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() \
                 AND backend_type = 'client backend') \
                 + (SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database \
                 WHERE datname = current_database() AND locktype = 'advisory')";
            (self.number(kept).await == 0).then_some(())
        })
        .await;
        began.elapsed()
    }
}

/// The URL of a database, or of a way to it.
pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@localhost:{port}/{database}")
}
