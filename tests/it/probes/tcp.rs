use budgetd::config::Target;
use budgetd::dependency::ErrorKind;
use budgetd::probe::for_target;
use futures_util::FutureExt;

use super::{check, kind, localhost, open, stays_pending};
use crate::support::{FaultProxy, Mode, Port, Redis, Talker, within};

#[tokio::test]
async fn every_check_is_a_connection() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let target = Target::Tcp(localhost(proxy.port()));
    let mut session = open(&target).await;
    for _ in 0..3 {
        within("a check", session.check()).await.unwrap();
    }
    crate::support::wait::until("three connections", crate::support::PATIENCE, async || {
        (proxy.accepted() == 3).then_some(())
    })
    .await;
    proxy.set(Mode::Refuse).await;
    let refused = within("a check", session.check()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused);
}

#[tokio::test]
async fn nothing_there_is_refused() {
    let free = Port::reserve();
    let target = Target::Tcp(localhost(free.number()));
    assert_eq!(kind(&target).await, ErrorKind::Refused);
}

#[tokio::test]
async fn a_killed_server_that_kept_connections_is_noticed() {
    let mut redis = Redis::start().await;
    let mut session = open(&Target::Tcp(localhost(redis.port()))).await;
    for _ in 0..2 {
        within("a check", session.check()).await.unwrap();
    }
    assert!(session.lost().now_or_never().is_none());
    redis.kill().await;
    within("the loss", session.lost()).await;
    within("the loss, asked again", session.lost()).await;
    let refused = within("a check", session.check()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Refused);
}

#[tokio::test]
async fn a_server_that_sends_everyone_away_is_up_and_loses_nothing() {
    let peer = Talker::says_and_leaves(b"1 Jan 2026 00:00:00\r\n").await;
    let probe = for_target(&Target::Tcp(localhost(peer.port())));
    for _ in 0..2 {
        let mut session = within("a session", probe.connect()).await.unwrap();
        for _ in 0..3 {
            within("a check", session.check()).await.unwrap();
            assert!(stays_pending(session.lost()).await);
        }
    }
}

#[tokio::test]
async fn banners_are_read_and_forgotten() {
    let peer = Talker::says(&b"220 mail.example ready\r\n".repeat(10_000)).await;
    let target = Target::Tcp(localhost(peer.port()));
    check(&target).await.unwrap();
    let mut session = open(&target).await;
    within("a check", session.check()).await.unwrap();
    assert!(stays_pending(session.lost()).await);
    within("a check", session.check()).await.unwrap();
}
