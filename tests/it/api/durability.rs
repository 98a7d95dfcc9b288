//! What a daemon that is killed leaves behind.

use std::fmt::Write;
use std::time::Duration;

use hyper::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::support::caller::{Caller, below};
use crate::support::wait::{PATIENCE, until};
use crate::support::{Daemon, DaemonOptions, Postgres};

const ROWS: usize = 20_000;

fn rows() -> String {
    let mut csv = "account_code,account_name,category,period,amount_sar\n".to_owned();
    for row in 0..ROWS {
        writeln!(
            csv,
            "{},Compte {row},operating_other,p1,1.00",
            600_000 + row
        )
        .unwrap();
    }
    csv
}

struct Rig {
    database: Postgres,
    daemon: Daemon,
    /// Makes loads wait, and looks at them.
    client: Client,
    _connection: JoinSet<()>,
}

impl Rig {
    async fn start() -> Self {
        let database = Postgres::start().await;
        let daemon = serve(&database).await;
        let (client, connection) = tokio_postgres::connect(&database.url(), NoTls)
            .await
            .unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { drop(connection.await) });
        Self {
            database,
            daemon,
            client,
            _connection: task,
        }
    }

    fn planner(&self) -> Caller {
        Caller::new(&self.daemon, "planner")
    }

    async fn count(&self, sql: &str) -> i64 {
        let row = self.client.query_typed_one(sql, &[]).await.unwrap();
        row.get(0)
    }

    /// Sends a load, kills the daemon at `moment`, and starts it again; whether
    /// the load was acknowledged.
    async fn load_and_kill(
        &mut self,
        version: &Value,
        csv: &str,
        moment: impl AsyncFnOnce(&Self),
    ) -> bool {
        let sender = loading(&self.planner());
        let path = below(version, "/lines");
        let killed = async {
            moment(self).await;
            self.daemon.signal(Signal::KILL);
        };
        let (sent, ()) = tokio::join!(sender.try_send(Method::POST, &path, csv), killed);
        self.daemon.exit().await;
        sent.is_ok_and(|answer| answer.code == 201)
    }

    /// Starts the daemon again, and how many lines there are then.
    async fn after(&mut self, version: &Value) -> usize {
        until("the server is done with the load", PATIENCE, async || {
            let busy = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = \
                        'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'";
            (self.count(busy).await == 0).then_some(())
        })
        .await;
        self.daemon = serve(&self.database).await;
        self.total(version).await
    }

    async fn total(&self, version: &Value) -> usize {
        let path = below(version, "/lines?page_size=1");
        let total = self.planner().get(&path).await.json()["total"].clone();
        serde_json::from_value(total).unwrap()
    }

    /// The client sends it again with the same key.
    async fn send_again(&self, version: &Value, csv: &str) {
        let sender = loading(&self.planner());
        let path = below(version, "/lines");
        let again = sender.try_send(Method::POST, &path, csv).await.unwrap();
        assert_eq!(
            (again.code, again.json()),
            (201, json!({ "created": ROWS })),
            "{}",
            again.body
        );
        assert_eq!(self.total(version).await, ROWS, "never doubled");
    }
}

async fn serve(database: &Postgres) -> Daemon {
    DaemonOptions::default()
        .brisk()
        .database(&database.url())
        .tokens()
        .serve()
        .await
}

fn loading(planner: &Caller) -> Caller {
    planner
        .with("content-type", "text/csv")
        .with("idempotency-key", "load")
}

/// Where a load waits for whoever holds the advisory lock 1, and how many of
/// its lines are there when the daemon is killed then.
const MOMENTS: [(&str, &str, usize); 3] = [
    (
        "before the first row",
        "CREATE TRIGGER wait BEFORE INSERT ON budgetd.budget_lines \
         FOR EACH STATEMENT EXECUTE FUNCTION wait()",
        0,
    ),
    (
        "in the middle of the rows",
        "CREATE TRIGGER wait BEFORE INSERT ON budgetd.budget_lines \
         FOR EACH ROW WHEN (NEW.account_code = '610000') EXECUTE FUNCTION wait()",
        0,
    ),
    // The server does not ask whether anybody still listens.
    (
        "in the commit",
        "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON budgetd.budget_lines \
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
         WHEN (NEW.account_code = '610000') EXECUTE FUNCTION wait()",
        ROWS,
    ),
];

#[tokio::test]
async fn a_bulk_load_is_there_whole_or_not_at_all() {
    let mut rig = Rig::start().await;
    let csv = rows();
    rig.client
        .batch_execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$",
        )
        .await
        .unwrap();
    for (year, (moment, trigger, expected)) in (2030..).zip(MOMENTS) {
        let version = rig.planner().create("Budget", year).await;
        let hold = format!("{trigger}; SELECT pg_advisory_lock(1)");
        rig.client.batch_execute(&hold).await.unwrap();
        let acknowledged = rig
            .load_and_kill(&version, &csv, async |rig| {
                until(moment, PATIENCE, async || {
                    let waiting = "SELECT count(*) FROM pg_stat_activity \
                                   WHERE wait_event = 'advisory'";
                    (rig.count(waiting).await == 1).then_some(())
                })
                .await;
            })
            .await;
        assert!(!acknowledged, "{moment}: nobody was left to say so");
        let release = "SELECT pg_advisory_unlock(1)";
        rig.client.batch_execute(release).await.unwrap();
        assert_eq!(rig.after(&version).await, expected, "{moment}");
        let drop = "DROP TRIGGER wait ON budgetd.budget_lines";
        rig.client.batch_execute(drop).await.unwrap();
        rig.send_again(&version, &csv).await;
    }
}

/// At whatever moment it is.
#[tokio::test]
async fn so_it_is_at_any_moment() {
    let mut rig = Rig::start().await;
    let csv = rows();
    for (year, delay) in (2040..).zip([0, 20, 60, 120, 250, 500]) {
        let version = rig.planner().create("Budget", year).await;
        let acknowledged = rig
            .load_and_kill(&version, &csv, async |_| {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            })
            .await;
        let total = rig.after(&version).await;
        assert!(total == 0 || total == ROWS, "{total} of {ROWS} lines");
        assert!(
            !acknowledged || total == ROWS,
            "what was acknowledged is there"
        );
        rig.send_again(&version, &csv).await;
    }
}
