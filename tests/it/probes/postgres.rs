use budgetd::config::{Address, PostgresTarget, ServerAccess, SslMode, Target};
use budgetd::dependency::ErrorKind;
use futures_util::FutureExt;

use super::{check, failure, kind, localhost, open, stays_pending};
use crate::support::{
    Authority, FaultProxy, Mode, PATIENCE, Port, Postgres, PostgresOptions, Talker, wait, within,
};

fn changed(postgres: &Postgres, change: impl FnOnce(&mut PostgresTarget)) -> Target {
    let mut target = postgres.target();
    change(&mut target);
    Target::Postgres(target)
}

fn through(postgres: &Postgres, port: u16) -> Target {
    changed(postgres, |target| target.address = localhost(port))
}

#[tokio::test]
async fn a_server_answers_over_tcp_and_its_socket_file() {
    let postgres = Postgres::start().await;
    for address in [
        postgres.target().address,
        Address::Unix(postgres.socket()),
        Address::Tcp {
            host: "127.0.0.1".into(),
            port: postgres.port(),
        },
    ] {
        let target = changed(&postgres, |target| target.address = address);
        let mut session = open(&target).await;
        for _ in 0..3 {
            let seen = within("a check", session.check()).await.unwrap();
            assert_eq!(seen.note, None);
        }
        assert!(session.lost().now_or_never().is_none());
    }
}

#[tokio::test]
async fn what_the_url_names_wrongly_is_told_apart() {
    let postgres = PostgresOptions::default().password("sesame").start().await;
    check(&postgres.target().into_target()).await.unwrap();

    let wrong = changed(&postgres, |target| {
        target.password = Some("wrong-4711".into());
    });
    let refused = failure(&wrong).await;
    assert_eq!(refused.kind, ErrorKind::Auth);
    assert!(!refused.message.contains("wrong-4711"), "{refused}");

    let missing = changed(&postgres, |target| target.password = None);
    assert_eq!(kind(&missing).await, ErrorKind::Auth);
    let nobody = changed(&postgres, |target| target.user = "nobody".into());
    assert_eq!(kind(&nobody).await, ErrorKind::Auth);
    let nowhere = changed(&postgres, |target| target.database = "nowhere".into());
    let unknown = failure(&nowhere).await;
    assert_eq!(unknown.kind, ErrorKind::Config);
    assert!(unknown.message.contains("nowhere"), "{unknown}");
}

trait IntoTarget {
    fn into_target(self) -> Target;
}

impl IntoTarget for PostgresTarget {
    fn into_target(self) -> Target {
        Target::Postgres(self)
    }
}

#[tokio::test]
async fn nothing_there_is_refused() {
    let postgres = Postgres::start().await;
    let free = Port::reserve();
    let refused = failure(&through(&postgres, free.number())).await;
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert_eq!(refused.message, "connection refused");

    let absent = Address::Unix(postgres.socket().with_extension("absent"));
    let absent = changed(&postgres, |target| target.address = absent);
    assert_eq!(kind(&absent).await, ErrorKind::Refused);
}

#[tokio::test]
async fn a_server_that_only_starts_is_not_ready() {
    let postgres = PostgresOptions::default()
        .standby()
        .setting("hot_standby", "off")
        .start()
        .await;
    assert_eq!(
        kind(&postgres.target().into_target()).await,
        ErrorKind::NotReady
    );
}

#[tokio::test]
async fn a_standby_is_up_only_where_any_server_will_do() {
    let standby = PostgresOptions::default().standby().start().await;
    assert_eq!(
        kind(&standby.target().into_target()).await,
        ErrorKind::NotReady
    );

    let any = changed(&standby, |target| target.access = ServerAccess::Any);
    let note = check(&any).await.unwrap().note.unwrap();
    assert!(note.contains("recovery"), "{note}");
}

#[tokio::test]
async fn a_read_only_primary_is_up_with_a_note() {
    let postgres = PostgresOptions::default()
        .setting("default_transaction_read_only", "on")
        .start()
        .await;
    let seen = check(&postgres.target().into_target()).await.unwrap();
    assert!(seen.note.unwrap().contains("read-only"));
}

#[tokio::test]
async fn a_full_server_is_not_ready() {
    let postgres = PostgresOptions::default()
        .setting("max_connections", "2")
        .setting("superuser_reserved_connections", "0")
        .start()
        .await;
    let target = postgres.target().into_target();
    let mut held = Vec::new();
    // A connection that was closed a moment ago may still count.
    wait::until("the server is full", PATIENCE, async || {
        match budgetd::probe::for_target(&target).connect().await {
            Ok(session) => held.push(session),
            Err(full) => {
                assert_eq!(full.kind, ErrorKind::NotReady, "{full}");
                return (held.len() == 2).then_some(());
            }
        }
        None
    })
    .await;
    for session in &mut held {
        within("those inside are served", session.check())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_refused_until_it_is_back() {
    let mut postgres = Postgres::start().await;
    let target = postgres.target().into_target();
    let mut session = open(&target).await;
    within("a check", session.check()).await.unwrap();

    postgres.kill().await;
    within("the loss", session.lost()).await;
    within("the loss, asked again", session.lost()).await;
    let dead = within("a check", session.check()).await.unwrap_err();
    assert_eq!(dead.kind, ErrorKind::Closed);
    assert_eq!(kind(&target).await, ErrorKind::Refused);

    postgres.restart_same_port().await;
    check(&target).await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_is_noticed() {
    let mut postgres = Postgres::start().await;
    let mut session = open(&postgres.target().into_target()).await;
    within("a check", session.check()).await.unwrap();
    postgres.stop().await;
    within("the loss", session.lost()).await;
    let dead = within("a check", session.check()).await.unwrap_err();
    assert_eq!(dead.kind, ErrorKind::NotReady, "its last words: {dead}");
}

#[tokio::test]
async fn a_terminated_session_is_noticed() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres.target().into_target()).await;
    within("a check", session.check()).await.unwrap();
    postgres
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'budgetd'",
        )
        .await;
    within("the loss", session.lost()).await;
}

#[tokio::test]
async fn a_frozen_server_leaves_checks_pending_and_answers_when_thawed() {
    let postgres = Postgres::start().await;
    let target = postgres.target().into_target();
    let mut session = open(&target).await;
    within("a check", session.check()).await.unwrap();

    postgres.freeze();
    assert!(stays_pending(session.check()).await);
    assert!(stays_pending(session.lost()).await);
    assert!(stays_pending(check(&target)).await);

    postgres.thaw();
    within("a check", session.check()).await.unwrap();
}

#[tokio::test]
async fn a_server_killed_during_a_check_ends_the_check() {
    let mut postgres = Postgres::start().await;
    let mut session = open(&postgres.target().into_target()).await;
    postgres.freeze();
    let (checked, ()) = tokio::join!(within("the check ends", session.check()), postgres.kill());
    assert_eq!(checked.unwrap_err().kind, ErrorKind::Closed);
}

#[tokio::test]
async fn checks_that_were_dropped_do_no_harm() {
    let postgres = Postgres::start().await;
    let mut session = open(&postgres.target().into_target()).await;
    for _ in 0..20 {
        // One poll sends the question; the answer finds nobody.
        assert!(session.check().now_or_never().is_none());
        assert!(session.lost().now_or_never().is_none());
    }
    within("a check", session.check()).await.unwrap();
}

#[tokio::test]
async fn a_session_says_goodbye() {
    let postgres = PostgresOptions::default()
        .setting("log_disconnections", "on")
        .start()
        .await;
    let mut session = open(&postgres.target().into_target()).await;
    within("a check", session.check()).await.unwrap();
    drop(session);
    wait::until("the server sees it leave", PATIENCE, async || {
        let log = postgres.log();
        log.lines()
            .any(|line| line.contains("disconnection") && line.contains("host=127.0.0.1"))
            .then_some(())
    })
    .await;
    assert!(!postgres.log().contains("unexpected EOF"));
}

#[tokio::test]
async fn sslmode_decides_what_is_verified() {
    let (authority, other) = (Authority::new(), Authority::new());
    let postgres = PostgresOptions::default()
        .password("sesame")
        .tls(authority.certify("localhost"))
        .start()
        .await;
    let with = |mode: SslMode, root: Option<&Authority>, host: &str| {
        let root = root.map(Authority::root);
        changed(&postgres, |target| {
            target.ssl_mode = mode;
            target.ssl_root_cert = root;
            target.address = Address::Tcp {
                host: host.into(),
                port: postgres.port(),
            };
        })
    };
    for (mode, root, host, expected) in [
        (SslMode::VerifyFull, Some(&authority), "localhost", None),
        // The certificate names localhost, not its address.
        (
            SslMode::VerifyFull,
            Some(&authority),
            "127.0.0.1",
            Some(ErrorKind::Tls),
        ),
        (
            SslMode::VerifyFull,
            Some(&other),
            "localhost",
            Some(ErrorKind::Tls),
        ),
        (SslMode::VerifyFull, None, "localhost", Some(ErrorKind::Tls)),
        (SslMode::VerifyCa, Some(&authority), "127.0.0.1", None),
        (
            SslMode::VerifyCa,
            Some(&other),
            "localhost",
            Some(ErrorKind::Tls),
        ),
        (SslMode::Require, Some(&authority), "127.0.0.1", None),
        (
            SslMode::Require,
            Some(&other),
            "localhost",
            Some(ErrorKind::Tls),
        ),
        (SslMode::Require, None, "127.0.0.1", None),
        (SslMode::Prefer, None, "127.0.0.1", None),
        // This server takes nothing unencrypted: the others are encrypted.
        (SslMode::Disable, None, "localhost", Some(ErrorKind::Auth)),
    ] {
        let seen = check(&with(mode, root, host)).await;
        let seen = seen.err();
        assert_eq!(
            seen.as_ref().map(|failure| failure.kind),
            expected,
            "{mode:?} {host}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn a_server_without_tls_is_good_enough_only_for_prefer() {
    let postgres = Postgres::start().await;
    for (mode, expected) in [
        (SslMode::Disable, None),
        (SslMode::Prefer, None),
        (SslMode::Require, Some(ErrorKind::Tls)),
        (SslMode::VerifyFull, Some(ErrorKind::Tls)),
    ] {
        let target = changed(&postgres, |target| target.ssl_mode = mode);
        let seen = check(&target).await.err().map(|failure| failure.kind);
        assert_eq!(seen, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn a_bad_line_is_told_from_a_bad_server() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let target = through(&postgres, proxy.port());

    proxy.set(Mode::OneByte).await;
    check(&target).await.unwrap();
    assert_eq!(proxy.accepted(), 1, "one connection is all it takes");

    proxy.set(Mode::Garble).await;
    assert_eq!(kind(&target).await, ErrorKind::Protocol);

    proxy.set(Mode::Stall).await;
    assert!(stays_pending(check(&target)).await);

    proxy.set(Mode::Pass).await;
    let mut session = open(&target).await;
    proxy.set(Mode::Refuse).await;
    assert_eq!(kind(&target).await, ErrorKind::Refused);
    within("a session goes on", session.check()).await.unwrap();
    proxy.cut();
    within("the loss", session.lost()).await;
}

#[tokio::test]
async fn an_end_in_the_middle_of_an_answer_is_an_end() {
    let postgres = Postgres::start().await;
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let target = through(&postgres, proxy.port());
    let mut session = open(&target).await;
    proxy.set(Mode::CutShort).await;
    let cut = within("a check", session.check()).await.unwrap_err();
    assert_eq!(cut.kind, ErrorKind::Closed, "{cut}");
    assert_eq!(kind(&target).await, ErrorKind::Closed, "while logging in");
}

#[tokio::test]
async fn another_protocol_is_no_postgres() {
    let postgres = Postgres::start().await;
    for words in [
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "-ERR unknown command\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let peer = Talker::says(words.as_bytes()).await;
        for mode in [SslMode::Prefer, SslMode::Disable] {
            let target = changed(&postgres, |target| {
                target.address = localhost(peer.port());
                target.ssl_mode = mode;
            });
            // Without the question for TLS the answer is read as a message
            // whose length its second to fifth letter say: it may wait for the
            // rest of that for ever.
            let seen = tokio::time::timeout(std::time::Duration::from_millis(300), check(&target));
            match seen.await {
                Ok(seen) => {
                    let failure = seen.unwrap_err();
                    assert_eq!(
                        failure.kind,
                        ErrorKind::Protocol,
                        "{words} {mode:?} {failure}"
                    );
                }
                Err(_) => assert_eq!(mode, SslMode::Disable, "{words}"),
            }
        }
    }
    let peer = Talker::says_and_leaves(b"").await;
    assert_eq!(
        kind(&through(&postgres, peer.port())).await,
        ErrorKind::Closed
    );
}
