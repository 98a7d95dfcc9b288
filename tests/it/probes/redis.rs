use budgetd::config::{Address, RedisTarget, Target};
use budgetd::dependency::ErrorKind;
use futures_util::FutureExt;

use super::{check, failure, kind, localhost, open, stays_pending};
use crate::support::{
    Authority, FaultProxy, Mode, PATIENCE, Port, Redis, RedisOptions, Talker, wait, within,
};

fn changed(redis: &Redis, change: impl FnOnce(&mut RedisTarget)) -> Target {
    let mut target = redis.target();
    change(&mut target);
    Target::Redis(target)
}

fn through(redis: &Redis, port: u16) -> Target {
    changed(redis, |target| target.address = localhost(port))
}

fn plain(redis: &Redis) -> Target {
    Target::Redis(redis.target())
}

#[tokio::test]
async fn a_server_answers_over_tcp_and_its_socket_file() {
    let redis = Redis::start().await;
    for address in [redis.target().address, Address::Unix(redis.socket())] {
        let mut session = open(&changed(&redis, |target| target.address = address)).await;
        for _ in 0..3 {
            within("a check", session.check()).await.unwrap();
        }
        assert!(session.lost().now_or_never().is_none());
        assert!(
            redis
                .command(&["CLIENT", "LIST"])
                .await
                .contains("name=budgetd")
        );
    }
}

#[tokio::test]
async fn credentials_and_database_are_told_apart() {
    let redis = RedisOptions::default().password("sesame").start().await;
    check(&plain(&redis)).await.unwrap();

    let wrong = failure(&changed(&redis, |t| t.password = Some("wrong-4711".into()))).await;
    assert_eq!(wrong.kind, ErrorKind::Auth);
    assert!(wrong.message.starts_with("WRONGPASS"), "{wrong}");
    assert!(!wrong.message.contains("wrong-4711"));

    let missing = failure(&changed(&redis, |target| target.password = None)).await;
    assert_eq!(missing.kind, ErrorKind::Auth);
    assert!(missing.message.starts_with("NOAUTH"), "{missing}");

    let database = failure(&changed(&redis, |target| target.database = 99)).await;
    assert_eq!(database.kind, ErrorKind::Config);
    assert_eq!(database.message, "the server has no database 99");
    check(&changed(&redis, |target| target.database = 3))
        .await
        .unwrap();

    redis
        .command(&["ACL", "SETUSER", "guest", "on", ">pass", "-@all", "+select"])
        .await;
    let guest = changed(&redis, |target| {
        target.user = Some("guest".into());
        target.password = Some("pass".into());
    });
    let forbidden = failure(&guest).await;
    assert_eq!(forbidden.kind, ErrorKind::Auth);
    assert!(forbidden.message.starts_with("NOPERM"), "{forbidden}");
    redis.command(&["ACL", "SETUSER", "guest", "+ping"]).await;
    check(&guest).await.unwrap();
}

#[tokio::test]
async fn a_password_where_none_is_wanted_is_refused_without_repeating_it() {
    let redis = Redis::start().await;
    let unasked = failure(&changed(&redis, |t| {
        t.password = Some("sesame-4711".into());
    }))
    .await;
    assert_eq!(unasked.kind, ErrorKind::Auth);
    assert!(!unasked.message.contains("sesame-4711"));
}

#[tokio::test]
async fn nothing_there_is_refused() {
    let redis = Redis::start().await;
    let free = Port::reserve();
    let refused = failure(&through(&redis, free.number())).await;
    assert_eq!(refused.kind, ErrorKind::Refused);
    assert_eq!(refused.message, "connection refused");
}

#[tokio::test]
async fn a_loading_server_is_not_ready() {
    // Compressed, all of it would be read in one go.
    let mut redis = RedisOptions::default()
        .setting("rdbcompression", "no")
        .start()
        .await;
    for key in 0..200 {
        redis
            .command(&["SET", &format!("key-{key}"), &"x".repeat(200)])
            .await;
    }
    redis.command(&["SAVE"]).await;
    let options = std::mem::take(redis.options());
    // Microseconds for each key, and bytes after which it listens again.
    *redis.options() = options
        .setting("key-load-delay", "50000")
        .setting("loading-process-events-interval-bytes", "1024");
    redis.restart_same_port().await;
    let loading = failure(&plain(&redis)).await;
    assert_eq!(loading.kind, ErrorKind::NotReady);
    assert!(loading.message.starts_with("LOADING"), "{loading}");
}

#[tokio::test]
async fn a_replica_without_its_master_is_not_ready() {
    let nobody = Port::reserve();
    let redis = RedisOptions::default()
        .setting("replicaof", &format!("127.0.0.1 {}", nobody.number()))
        .setting("replica-serve-stale-data", "no")
        .start()
        .await;
    let alone = failure(&plain(&redis)).await;
    assert_eq!(alone.kind, ErrorKind::NotReady);
    assert!(alone.message.starts_with("MASTERDOWN"), "{alone}");
}

#[tokio::test]
async fn a_replica_answers() {
    let master = Redis::start().await;
    let replica = RedisOptions::default()
        .setting("replicaof", &format!("127.0.0.1 {}", master.port()))
        .start()
        .await;
    check(&plain(&replica)).await.unwrap();
}

#[tokio::test]
async fn a_full_server_is_not_ready_whatever_it_is_asked_first() {
    let redis = RedisOptions::default()
        .password("sesame")
        .setting("maxclients", "2")
        .start()
        .await;
    let target = plain(&redis);
    let mut held = Vec::new();
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
    for _ in 0..50 {
        let full = failure(&target).await;
        assert_eq!(full.kind, ErrorKind::NotReady, "{full}");
        assert_eq!(full.message, "max number of clients reached");
    }
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_refused_until_it_is_back() {
    let mut redis = Redis::start().await;
    let target = plain(&redis);
    let mut session = open(&target).await;
    redis.kill().await;
    within("the loss", session.lost()).await;
    within("the loss, asked again", session.lost()).await;
    let dead = within("a check", session.check()).await.unwrap_err();
    assert_eq!(dead.kind, ErrorKind::Closed);
    assert_eq!(kind(&target).await, ErrorKind::Refused);
    redis.restart_same_port().await;
    check(&target).await.unwrap();
    let mut session = open(&target).await;
    redis.stop().await;
    within("the loss", session.lost()).await;
}

#[tokio::test]
async fn a_frozen_server_leaves_checks_pending_and_answers_when_thawed() {
    let redis = Redis::start().await;
    let target = plain(&redis);
    let mut session = open(&target).await;
    redis.freeze();
    assert!(stays_pending(session.check()).await);
    assert!(stays_pending(session.lost()).await);
    assert!(stays_pending(check(&target)).await);
    redis.thaw();
    within("a check", session.check()).await.unwrap();
}

#[tokio::test]
async fn a_server_killed_during_a_check_ends_the_check() {
    let mut redis = Redis::start().await;
    let mut session = open(&plain(&redis)).await;
    redis.freeze();
    let (checked, ()) = tokio::join!(within("the check ends", session.check()), redis.kill());
    assert_eq!(checked.unwrap_err().kind, ErrorKind::Closed);
}

#[tokio::test]
async fn checks_that_were_dropped_do_no_harm() {
    let redis = Redis::start().await;
    let mut session = open(&plain(&redis)).await;
    for _ in 0..20 {
        assert!(session.check().now_or_never().is_none());
        assert!(session.lost().now_or_never().is_none());
    }
    within("a check", session.check()).await.unwrap();
}

#[tokio::test]
async fn tls_trusts_nobody_unknown() {
    let authority = Authority::new();
    let redis = RedisOptions::default()
        .tls(authority.certify("localhost"))
        .start()
        .await;
    let unknown = failure(&plain(&redis)).await;
    assert_eq!(unknown.kind, ErrorKind::Tls, "{unknown}");

    let unencrypted = changed(&redis, |target| target.tls = false);
    let kind = kind(&unencrypted).await;
    assert!(
        matches!(kind, ErrorKind::Closed | ErrorKind::Protocol),
        "{kind}"
    );
}

/// The system's roots are asked for by variable, and variables belong to a
/// process: so the check itself runs in one of its own.
#[tokio::test]
async fn tls_trusts_the_systems_roots() {
    let authority = Authority::new();
    let redis = RedisOptions::default()
        .password("sesame")
        .tls(authority.certify("localhost"))
        .start()
        .await;
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--ignored",
            "probes::redis::in_a_process_of_its_own",
        ])
        .env("SSL_CERT_FILE", authority.root())
        .env("BUDGETD_TEST_REDIS_PORT", redis.port().to_string())
        .kill_on_drop(true)
        .output();
    let output = within("the process ends", output).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[tokio::test]
#[ignore = "started by tls_trusts_the_systems_roots"]
async fn in_a_process_of_its_own() {
    let port: u16 = std::env::var("BUDGETD_TEST_REDIS_PORT")
        .unwrap()
        .parse()
        .unwrap();
    let target = |host: &str| {
        Target::Redis(RedisTarget {
            address: Address::Tcp {
                host: host.into(),
                port,
            },
            tls: true,
            user: None,
            password: Some("sesame".into()),
            database: 0,
        })
    };
    check(&target("localhost")).await.unwrap();
    assert_eq!(
        kind(&target("127.0.0.1")).await,
        ErrorKind::Tls,
        "another name"
    );
}

#[tokio::test]
async fn a_bad_line_is_told_from_a_bad_server() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let target = through(&redis, proxy.port());

    proxy.set(Mode::OneByte).await;
    check(&target).await.unwrap();
    proxy
        .set(Mode::Delay(std::time::Duration::from_millis(20)))
        .await;
    check(&target).await.unwrap();
    proxy.set(Mode::Garble).await;
    assert_eq!(kind(&target).await, ErrorKind::Protocol);
    proxy.set(Mode::Stall).await;
    assert!(stays_pending(check(&target)).await);

    proxy.set(Mode::Pass).await;
    let mut session = open(&target).await;
    proxy.set(Mode::Garble).await;
    let garbled = within("a check", session.check()).await.unwrap_err();
    assert_eq!(garbled.kind, ErrorKind::Protocol, "{garbled}");

    proxy.set(Mode::Pass).await;
    let mut session = open(&target).await;
    proxy.cut();
    within("the loss", session.lost()).await;
    wait::until("the proxy has closed", PATIENCE, async || {
        (proxy.open() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn another_protocol_is_no_redis() {
    let redis = Redis::start().await;
    for words in [
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "E\0\0\0\u{14}SFATAL\0C08P01\0\0",
    ] {
        let peer = Talker::says(words.as_bytes()).await;
        let target = through(&redis, peer.port());
        assert_eq!(kind(&target).await, ErrorKind::Protocol, "{words:?}");
    }
    let endless = Talker::says(format!("+{}", "x".repeat(10_000)).as_bytes()).await;
    assert_eq!(
        kind(&through(&redis, endless.port())).await,
        ErrorKind::Protocol
    );
    let leaving = Talker::says_and_leaves(b"").await;
    assert_eq!(
        kind(&through(&redis, leaving.port())).await,
        ErrorKind::Closed
    );
}
