use std::time::Duration;

use budgetd::config::Target;
use budgetd::dependency::ErrorKind;
use futures_util::future::join_all;

use super::{check, failure, kind, open};
use crate::support::{PATIENCE, PgBouncer, Postgres, PostgresOptions, wait, within};

#[tokio::test]
async fn checks_work_in_transaction_mode() {
    let postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres).await;
    let target = Target::Postgres(pooler.target());
    // More sessions than the pooler has connections to the server: nothing of
    // one session may be left behind for the next.
    let sessions = join_all((0..6).map(|_| open(&target))).await;
    let checks = sessions.into_iter().map(async |mut session| {
        for _ in 0..50 {
            within("a check", session.check()).await.unwrap();
        }
    });
    join_all(checks).await;
}

#[tokio::test]
async fn the_poolers_refusals_are_told_apart() {
    let postgres = PostgresOptions::default().password("sesame").start().await;
    let pooler = PgBouncer::start(&postgres).await;
    check(&Target::Postgres(pooler.target())).await.unwrap();

    let mut wrong = pooler.target();
    wrong.password = Some("wrong-4711".into());
    let refused = failure(&Target::Postgres(wrong)).await;
    assert_eq!(refused.kind, ErrorKind::Auth, "{refused}");
    assert!(!refused.message.contains("wrong-4711"), "{refused}");

    let mut nowhere = pooler.target();
    nowhere.database = "nowhere".into();
    let unknown = failure(&Target::Postgres(nowhere)).await;
    assert_eq!(unknown.kind, ErrorKind::Config, "{unknown}");
}

#[tokio::test]
async fn a_server_killed_behind_the_pooler_is_down() {
    let mut postgres = Postgres::start().await;
    let pooler = PgBouncer::start(&postgres).await;
    let target = Target::Postgres(pooler.target());
    let mut session = open(&target).await;
    within("a check", session.check()).await.unwrap();

    postgres.kill().await;
    // The pooler goes on accepting clients; it either tells them or lets them
    // wait, and never answers.
    for _ in 0..5 {
        let attempt = tokio::time::timeout(Duration::from_millis(300), check(&target));
        if let Ok(answered) = attempt.await {
            let failure = answered.unwrap_err();
            assert_eq!(failure.kind, ErrorKind::NotReady, "{failure}");
        }
    }
    let held = tokio::time::timeout(Duration::from_millis(300), session.check());
    if let Ok(answered) = held.await {
        let failure = answered.unwrap_err();
        let legal = [ErrorKind::NotReady, ErrorKind::Closed];
        assert!(legal.contains(&failure.kind), "{failure:?}");
    }

    postgres.restart_same_port().await;
    wait::until("the pooler finds the server again", PATIENCE, async || {
        let attempt = tokio::time::timeout(Duration::from_millis(500), check(&target));
        attempt.await.ok()?.ok()
    })
    .await;
}

#[tokio::test]
async fn a_killed_pooler_is_noticed() {
    let postgres = Postgres::start().await;
    let mut pooler = PgBouncer::start(&postgres).await;
    let target = Target::Postgres(pooler.target());
    let mut session = open(&target).await;
    pooler.kill().await;
    within("the loss", session.lost()).await;
    assert_eq!(kind(&target).await, ErrorKind::Refused);
    pooler.restart_same_port().await;
    check(&target).await.unwrap();
}
