//! Writers that meet, and writes whose database is lost on the way.

use futures_util::future::join_all;
use hyper::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::Rig;
use super::blocker::Blocker;
use crate::support::caller::{Caller, below};
use crate::support::wait::{PATIENCE, until};
use crate::support::{DaemonOptions, FaultProxy, Mode, Postgres, within};

fn line(code: usize) -> Value {
    json!({
        "account_code": format!("{code}"), "account_name": "a", "category": "revenue_fees",
        "period": "p1", "amount_sar": "1.00"
    })
}

#[tokio::test]
async fn of_writers_that_have_seen_the_same_one_wins() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let tag = planner.get(&below(&version, "")).await;
    let writer = planner.with("if-match", tag.header("etag").unwrap());
    let attempts = (0..8).map(|number| {
        let (writer, path) = (writer.clone(), below(&version, "/lines"));
        async move { writer.post(&path, line(7_000 + number)).await.code }
    });
    let mut codes = join_all(attempts).await;
    codes.sort_unstable();
    assert_eq!(codes, [201, 412, 412, 412, 412, 412, 412, 412]);
}

/// Each of them locks versions, lines and keys; none may wait in a circle
/// (503), or find something that it cannot explain (500).
#[tokio::test]
async fn writers_of_all_kinds_do_not_lock_each_other_out() {
    let rig = Rig::start().await;
    let manager = rig.caller("manager");
    for year in 2030..2033 {
        let version = manager.create("Source", year).await;
        let created = manager.post(&below(&version, "/lines"), line(7011)).await;
        assert_eq!(created.code, 201, "{}", created.body);
        let created = created.json();
        let changed = format!("/lines/{}", created["id"].as_str().unwrap());
        let jobs = (0..40).map(|job| {
            let (manager, version, changed) = (manager.clone(), &version, &changed);
            let manager = manager.with("idempotency-key", &format!("{}", job % 13));
            async move {
                let lines = below(version, "/lines");
                let copy = json!({"name": "Copy", "fiscal_year": 2040 + job % 5});
                match job % 8 {
                    0 | 1 => manager.post(&lines, line(7_000 + job)).await,
                    2 | 3 => manager.post(&below(version, "/clone"), copy).await,
                    4 => {
                        manager
                            .put(&below(version, changed), json!({"notes": "x"}))
                            .await
                    }
                    5 => {
                        manager
                            .put(&below(version, ""), json!({"notes": "x"}))
                            .await
                    }
                    6 if job > 20 => manager.step(&below(version, "/submit")).await,
                    7 if job > 30 => manager.delete(&below(version, "")).await,
                    _ => manager.delete(&below(version, changed)).await,
                }
            }
        });
        for answer in within("all of them", join_all(jobs)).await {
            let expected = [200, 201, 204, 404, 409, 422].contains(&answer.code);
            assert!(expected, "{}: {}", answer.code, answer.body);
        }
    }
}

/// A clone shows the state of its source that was looked at first: whoever
/// writes to that meanwhile waits.
#[tokio::test]
async fn nobody_writes_to_what_is_being_cloned() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Source", 2026).await;
    let created = planner.post(&below(&version, "/lines"), line(7011)).await;
    assert_eq!(created.code, 201, "{}", created.body);
    // Rows may be locked, but nothing written: the clone has read its source.
    let lock = "LOCK TABLE budgetd.budget_versions IN SHARE MODE";
    let blocker = Blocker::holding(&rig.database, lock).await;
    let path = below(&version, "/clone");
    let cloning = planner.post(&path, json!({"name": "Copy", "fiscal_year": 2027}));
    let path = below(&version, "/lines");
    let writing = async {
        blocker.until_waiting(1).await;
        planner.post(&path, line(7012)).await
    };
    let release = async {
        blocker.until_waiting(2).await;
        blocker.release().await;
    };
    let all = Box::pin(async { tokio::join!(cloning, writing, release) });
    let (cloned, written, ()) = within("all of them", all).await;
    assert_eq!(cloned.code, 201, "{}", cloned.body);
    assert_eq!(written.code, 201, "{}", written.body);
    for (version, count) in [(&cloned.json(), 1), (&version, 2)] {
        let lines = planner.get(&below(version, "/lines")).await.json();
        assert_eq!(lines["total"], count);
    }
}

/// Writers that wait for one version hold some of the pool, and never all.
#[tokio::test]
async fn reads_go_on_while_writers_wait_for_each_other() {
    let rig = Rig::with(|options: DaemonOptions| {
        options
            .variable("BUDGETD__DATABASE__POOL_SIZE", "4")
            .variable("BUDGETD__DATABASE__POOL_TIMEOUT", "1m")
    })
    .await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let lock = "SELECT FROM budgetd.budget_versions FOR UPDATE";
    let blocker = Blocker::holding(&rig.database, lock).await;
    let path = below(&version, "/lines");
    let writes = join_all((0..6).map(|number| planner.post(&path, line(7_000 + number))));
    let meanwhile = async {
        // As many as may.
        blocker.until_waiting(2).await;
        let listed = within("a read", planner.get("/budget-versions")).await;
        assert_eq!(listed.code, 200, "{}", listed.body);
        blocker.release().await;
    };
    let all = Box::pin(async { tokio::join!(writes, meanwhile) });
    let (written, ()) = within("all of them", all).await;
    for answer in written {
        assert_eq!(answer.code, 201, "{}", answer.body);
    }
}

/// Keys of the past are cleared away by whoever claims a new one, while they
/// may just be claimed again.
#[tokio::test]
async fn keys_that_have_expired_are_claimed_again_without_a_circle() {
    let rig = Rig::start().await;
    let planner = rig.caller("planner");
    let version = planner.create("Budget", 2026).await;
    let path = below(&version, "/lines");
    let expire =
        "UPDATE budgetd.idempotency_keys SET created_at = created_at - interval '25 hours'";
    for round in 0..20 {
        let claims = (0..12).map(|key| {
            let keyed = planner.with("idempotency-key", &format!("{key}"));
            let path = &path;
            async move { keyed.post(path, line(7_000 + round)).await }
        });
        for answer in within("all of them", join_all(claims)).await {
            assert_eq!(answer.code, 201, "round {round}: {}", answer.body);
        }
        rig.database.execute(expire).await;
    }
    assert_eq!(planner.get(&path).await.json()["total"], 20 * 12);
}

/// What happens between the commit and its answer. The client sends the
/// request again with its key, and finds it done once.
#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_not_done_again() {
    let database = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(database.port()).await;
    let url = format!("postgres://postgres@localhost:{}/postgres", proxy.port());
    let daemon = DaemonOptions::default()
        .brisk()
        .database(&url)
        .tokens()
        .serve()
        .await;
    let planner = Caller::new(&daemon, "planner");
    let (client, connection) = within("a look", tokio_postgres::connect(&database.url(), NoTls))
        .await
        .unwrap();
    let mut looking = JoinSet::new();
    looking.spawn(async move { connection.await.ok() });
    // Commits of lines wait for whoever holds the lock.
    client
        .batch_execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON budgetd.budget_lines \
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()",
        )
        .await
        .unwrap();
    let count = async |sql: &str| {
        let row = client.query_typed_one(sql, &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    for (year, is_committed) in [(2030, true), (2031, false)] {
        let version = planner.create("Budget", year).await;
        let path = below(&version, "/lines");
        let sender = planner
            .with("content-type", "application/json")
            .with("idempotency-key", "k");
        let body = line(7011).to_string();
        client
            .batch_execute("SELECT pg_advisory_lock(1)")
            .await
            .unwrap();
        let loss = async {
            until("the commit", PATIENCE, async || {
                let waiting = "SELECT count(*) FROM pg_stat_activity \
                               WHERE query = 'COMMIT' AND wait_event = 'advisory'";
                (count(waiting).await == 1).then_some(())
            })
            .await;
            if is_committed {
                proxy.set(Mode::Stall).await;
            } else {
                let killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                              WHERE query = 'COMMIT' AND wait_event = 'advisory'";
                count(killed).await;
            }
            client
                .batch_execute("SELECT pg_advisory_unlock(1)")
                .await
                .unwrap();
            if is_committed {
                until("the line", PATIENCE, async || {
                    (count("SELECT count(*) FROM budgetd.budget_lines").await == 1).then_some(())
                })
                .await;
                proxy.cut();
            }
        };
        let (lost, ()) = tokio::join!(sender.try_send(Method::POST, &path, &body), loss);
        proxy.set(Mode::Pass).await;
        let lost = lost.unwrap();
        assert_eq!(lost.code, 503, "{}", lost.body);
        assert!(lost.header("retry-after").is_some());
        let again = until("the database is back", PATIENCE, async || {
            let again = sender.try_send(Method::POST, &path, &body).await.unwrap();
            (again.code != 503).then_some(again)
        })
        .await;
        assert_eq!(again.code, 201, "{}", again.body);
        assert_eq!(planner.get(&path).await.json()["total"], 1);
    }
}
