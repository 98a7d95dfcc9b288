use std::time::Duration;

use budgetd::cache::Unanswered;
use budgetd::dependency::ErrorKind;
use budgetd::health::Status;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{AT_ONCE, DEADLINE, Stand, calls, config};
use crate::support::{FaultProxy, Mode, PATIENCE, Port, Redis, RedisOptions, Talker, wait};

const HOUR: Duration = Duration::from_hours(1);

/// A connection that ends sooner is taken for one to a server that does not do
/// its work.
const LASTING: Duration = Duration::from_millis(1_100);

fn failed_as(unanswered: &Unanswered) -> ErrorKind {
    match unanswered {
        Unanswered::Failed(failure) => failure.kind,
        Unanswered::Bypassed => panic!("it was bypassed"),
    }
}

/// A client whose connection goes through a proxy.
async fn through(proxy: &FaultProxy, variables: &[(&str, &str)]) -> Stand {
    let url = format!("redis://localhost:{}", proxy.port());
    let mut stand = Stand::new(&url, variables);
    stand.check_passes().await;
    stand
}

#[tokio::test]
async fn a_value_is_kept_for_its_time() {
    let redis = RedisOptions::default().password("sesame").start().await;
    let stand = Stand::open(&redis).await;
    let client = &stand.client;
    assert_eq!(client.get("a").await, Ok(None));
    let any = [0, b'\r', b'\n', 255];
    client.set("a", &any, HOUR).await.unwrap();
    assert_eq!(client.get("a").await, Ok(Some(any.to_vec())));
    let left = redis.command(&["TTL", "a"]).await;
    assert!(left == ":3600\r\n" || left == ":3599\r\n", "{left}");
    client.set("b", b"", Duration::ZERO).await.unwrap();
    wait::until("it expires", PATIENCE, async || {
        (client.get("b").await == Ok(None)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_asked_before_a_check_has_passed_or_where_there_is_nothing() {
    let redis = Redis::start().await;
    let mut stand = Stand::new(&redis.url(), &[]);
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    for status in [Status::Failing, Status::Error, Status::Blocked] {
        stand.checked(status);
        assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    }
    stand.check_passes().await;
    assert_eq!(stand.client.get("a").await, Ok(None));
    stand.checked(Status::Failing);
    stand.until_bypassed(true).await;
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    assert_eq!((calls(&redis, "get").await, stand.hints()), (1, 0));

    let off = Stand::new(&redis.url(), &[("REDIS_ENABLED", "false")]);
    assert_eq!(off.client.get("a").await, Err(Unanswered::Bypassed));
}

#[tokio::test]
async fn an_absent_server_costs_no_request_anything() {
    let nobody = Port::reserve();
    let mut stand = Stand::new(&format!("redis://localhost:{}", nobody.number()), &[]);
    // It has gone since it was checked.
    stand.checked(Status::Ok);
    wait::until("it is looked at", PATIENCE, async || {
        (stand.hints() == 1).then_some(())
    })
    .await;
    let begin = Instant::now();
    for _ in 0..100 {
        assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    }
    assert!(begin.elapsed() < AT_ONCE);
    assert_eq!(stand.hints(), 1, "one look for each check");
}

#[tokio::test]
async fn a_server_that_only_listens_costs_no_request_anything() {
    let silent = Talker::says(b"").await;
    let url = format!("redis://localhost:{}", silent.port());
    let mut stand = Stand::new(&url, &[("REDIS_CONNECT_TIMEOUT", "0.3")]);
    stand.checked(Status::Ok);
    let begin = Instant::now();
    while stand.hints() == 0 {
        let asked = Instant::now();
        assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
        assert!(asked.elapsed() < AT_ONCE);
        assert!(begin.elapsed() < PATIENCE, "it tries for ever");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_frozen_server_costs_one_deadline_once() {
    let redis = Redis::start().await;
    let mut stand = Stand::open(&redis).await;
    let client = stand.client.clone();
    redis.freeze();

    let begin = Instant::now();
    let answers = join_all((0..50).map(|_| client.get("a"))).await;
    let waited = begin.elapsed();
    assert!(
        waited >= DEADLINE && waited < DEADLINE + AT_ONCE,
        "{waited:?}"
    );
    let (failed, bypassed): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|answer| *answer != Err(Unanswered::Bypassed));
    assert_eq!((failed.len(), bypassed.len()), (1, 49), "they count as one");
    assert_eq!(
        failed_as(failed[0].as_ref().unwrap_err()),
        ErrorKind::Timeout
    );
    wait::until("it is looked at", PATIENCE, async || {
        (stand.hints() > 0).then_some(())
    })
    .await;
    assert_eq!(stand.hints(), 1);

    // What was known before, and a check that failed, change nothing.
    stand.health.publish(super::snapshot(Status::Ok, 0));
    stand.checked(Status::Failing);
    let begin = Instant::now();
    for _ in 0..100 {
        assert_eq!(client.get("a").await, Err(Unanswered::Bypassed));
    }
    assert!(begin.elapsed() < AT_ONCE);

    redis.thaw();
    let before = calls(&redis, "get").await;
    assert_eq!(client.get("a").await, Err(Unanswered::Bypassed));
    stand.check_passes().await;
    assert_eq!(client.get("a").await, Ok(None));
    assert_eq!(calls(&redis, "get").await, before + 1);
    assert_eq!(stand.hints(), 1);
}

#[tokio::test]
async fn whoever_comes_later_to_a_frozen_server_waits_no_longer_than_the_first() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    let client = &stand.client;
    redis.freeze();
    let begin = Instant::now();
    let late = async {
        tokio::time::sleep(DEADLINE * 4 / 5).await;
        client.get("a").await
    };
    let (first, late) = tokio::join!(client.get("a"), late);
    assert_eq!(failed_as(&first.unwrap_err()), ErrorKind::Timeout);
    assert_eq!(late, Err(Unanswered::Bypassed));
    assert!(
        begin.elapsed() < DEADLINE + AT_ONCE,
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_killed_server_is_not_waited_for() {
    let mut redis = Redis::start().await;
    let mut stand = Stand::open(&redis).await;
    redis.freeze();
    let begin = Instant::now();
    let client = stand.client.clone();
    let (answer, ()) = tokio::join!(client.get("a"), redis.kill());
    // The connection broke, and there was no other to try.
    assert_eq!(answer, Err(Unanswered::Bypassed));
    assert!(begin.elapsed() < DEADLINE, "{:?}", begin.elapsed());
    assert_eq!(client.get("a").await, Err(Unanswered::Bypassed));
    assert_eq!(stand.hints(), 1);

    redis.restart_same_port().await;
    stand.check_passes().await;
    assert_eq!(client.get("a").await, Ok(None));
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_replaced_unnoticed() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    stand.client.set("a", b"1", HOUR).await.unwrap();
    tokio::time::sleep(LASTING).await;
    for _ in 0..3 {
        redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        stand.until_bypassed(false).await;
        wait::until("it answers", PATIENCE, async || {
            (stand.client.get("a").await == Ok(Some(b"1".to_vec()))).then_some(())
        })
        .await;
        tokio::time::sleep(LASTING).await;
    }
    assert_eq!(stand.hints(), 0);
}

#[tokio::test]
async fn an_operation_whose_connection_breaks_is_tried_again_within_its_deadline() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let mut stand = through(&proxy, &[("REDIS_SOCKET_TIMEOUT", "5")]).await;
    stand.config.cache.timeout = Duration::from_secs(5);
    stand.client.reconfigure(&stand.config);
    let client = stand.client.clone();
    client.set("a", b"1", HOUR).await.unwrap();
    tokio::time::sleep(LASTING).await;

    proxy.set(Mode::Stall).await;
    let cut = async {
        // The question has left.
        tokio::task::yield_now().await;
        proxy.cut();
        proxy.set(Mode::Pass).await;
    };
    let (answer, ()) = tokio::join!(client.get("a"), cut);
    assert_eq!(answer, Ok(Some(b"1".to_vec())));
    assert_eq!(stand.hints(), 0);

    stand.config.cache.retries = 0;
    client.reconfigure(&stand.config);
    tokio::time::sleep(LASTING).await;
    proxy.set(Mode::Stall).await;
    let (answer, ()) = tokio::join!(client.get("a"), async { proxy.cut() });
    assert_eq!(failed_as(&answer.unwrap_err()), ErrorKind::Closed);
    proxy.set(Mode::Pass).await;
}

#[tokio::test]
async fn retries_do_not_prolong_the_deadline() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let stand = through(&proxy, &[("REDIS_MAX_RETRIES", "100")]).await;
    tokio::time::sleep(LASTING).await;
    proxy.set(Mode::Stall).await;
    let begin = Instant::now();
    let cut = async {
        tokio::time::sleep(DEADLINE / 2).await;
        proxy.cut();
    };
    // Its second attempt waits for a connection that is never made.
    let (answer, ()) = tokio::join!(stand.client.get("a"), cut);
    assert_eq!(failed_as(&answer.unwrap_err()), ErrorKind::Timeout);
    let waited = begin.elapsed();
    assert!(waited < DEADLINE + AT_ONCE, "{waited:?}");
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    assert!(begin.elapsed() < waited + AT_ONCE);
}

#[tokio::test]
async fn a_script_is_never_run_twice() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let stand = through(&proxy, &[("REDIS_MAX_RETRIES", "5")]).await;
    let script = redis::Script::new("return redis.call('INCR', KEYS[1])");
    let mut count = script.key("n");
    assert_eq!(stand.client.script::<u64>(count.key("n")).await, Ok(1));
    assert_eq!(stand.client.script::<u64>(&count).await, Ok(2));
    proxy.set(Mode::Delay(Duration::from_millis(50))).await;
    let cut = async {
        wait::until("it has run", PATIENCE, async || {
            redis
                .command(&["GET", "n"])
                .await
                .contains('3')
                .then_some(())
        })
        .await;
        proxy.cut();
    };
    let (answer, ()) = tokio::join!(stand.client.script::<u64>(&count), cut);
    assert_eq!(failed_as(&answer.unwrap_err()), ErrorKind::Closed);
    assert!(redis.command(&["GET", "n"]).await.contains('3'));
}

#[tokio::test]
async fn a_full_server_is_still_read() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    stand.client.set("a", b"1", HOUR).await.unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for _ in 0..3 {
        let refused = stand.client.set("b", b"2", HOUR).await.unwrap_err();
        assert_eq!(failed_as(&refused), ErrorKind::NotReady);
        assert!(refused.to_string().contains("OOM"), "{refused}");
        assert_eq!(stand.client.get("a").await, Ok(Some(b"1".to_vec())));
    }
    assert_eq!(stand.hints(), 0);
}

#[tokio::test]
async fn a_replica_that_only_reads_is_still_read() {
    let master = Redis::start().await;
    master.command(&["SET", "a", "1"]).await;
    let replica = RedisOptions::default()
        .setting("replicaof", &format!("127.0.0.1 {}", master.port()))
        .start()
        .await;
    let stand = Stand::open(&replica).await;
    wait::until("it has copied", PATIENCE, async || {
        (stand.client.get("a").await == Ok(Some(b"1".to_vec()))).then_some(())
    })
    .await;
    let refused = stand.client.set("b", b"2", HOUR).await.unwrap_err();
    assert!(refused.to_string().contains("READONLY"), "{refused}");
    assert_eq!(stand.client.get("a").await, Ok(Some(b"1".to_vec())));
    assert_eq!(stand.hints(), 0);
}

#[tokio::test]
async fn another_kind_of_value_is_refused_and_no_fault() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    redis.command(&["LPUSH", "a", "1"]).await;
    let refused = stand.client.get("a").await.unwrap_err();
    assert!(refused.to_string().contains("WRONGTYPE"), "{refused}");
    assert!(!stand.client.is_bypassed());
}

#[tokio::test]
async fn garbage_ends_the_connection() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let mut stand = through(&proxy, &[]).await;
    proxy.set(Mode::Garble).await;
    let garbled = stand.client.get("a").await.unwrap_err();
    assert_eq!(failed_as(&garbled), ErrorKind::Protocol);
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    proxy.set(Mode::Pass).await;
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    stand.check_passes().await;
    assert_eq!(stand.client.get("a").await, Ok(None));
    assert_eq!(stand.hints(), 1);
}

#[tokio::test]
async fn a_server_that_loads_is_bypassed() {
    let mut redis = RedisOptions::default()
        .setting("rdbcompression", "no")
        .start()
        .await;
    let mut stand = Stand::open(&redis).await;
    for key in 0..200 {
        let value = "x".repeat(200);
        let key = format!("key-{key}");
        stand
            .client
            .set(&key, value.as_bytes(), HOUR)
            .await
            .unwrap();
    }
    redis.command(&["SAVE"]).await;
    let options = std::mem::take(redis.options());
    *redis.options() = options
        .setting("key-load-delay", "50000")
        .setting("loading-process-events-interval-bytes", "1024");
    redis.restart_same_port().await;
    stand.until_bypassed(true).await;
    // While it loads, it listens only now and then.
    stand.config.cache.timeout = PATIENCE;
    stand.client.reconfigure(&stand.config);
    // It was not loading yet when it was checked.
    stand.check_passes().await;
    let hints = stand.hints();
    let loading = stand.client.get("a").await.unwrap_err();
    assert!(loading.to_string().contains("LOADING"), "{loading}");
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    wait::until("it is looked at", PATIENCE, async || {
        (stand.hints() > hints).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_changed_password_ends_in_a_bypass() {
    let mut redis = RedisOptions::default().password("sesame").start().await;
    let stand = Stand::open(&redis).await;
    tokio::time::sleep(LASTING).await;
    redis
        .command(&["ACL", "SETUSER", "default", "resetpass", ">other"])
        .await;
    redis.options().password = Some("other".to_owned());
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    wait::until("it is refused", PATIENCE, async || {
        (stand.hints() == 1).then_some(())
    })
    .await;
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
}

#[tokio::test]
async fn a_reload_moves_to_another_server_and_back() {
    let (one, two) = (Redis::start().await, Redis::start().await);
    let stand = Stand::open(&one).await;
    let client = &stand.client;
    client.set("a", b"1", HOUR).await.unwrap();
    for (server, value) in [(&two, None), (&one, Some(b"1".to_vec()))] {
        client.reconfigure(&config(&server.url(), &[]));
        wait::until("it has moved", PATIENCE, async || {
            (client.get("a").await == Ok(value.clone())).then_some(())
        })
        .await;
    }
    client.reconfigure(&config(&one.url(), &[("REDIS_ENABLED", "false")]));
    stand.until_bypassed(true).await;
    wait::until("the connections are closed", PATIENCE, async || {
        let clients = one.command(&["CLIENT", "LIST"]).await;
        (!clients.contains("name=budgetd")).then_some(())
    })
    .await;
    assert_eq!(stand.hints(), 0);
}

#[tokio::test]
async fn a_reload_of_the_deadline_keeps_the_connection() {
    let redis = Redis::start().await;
    let mut stand = Stand::open(&redis).await;
    let before = calls(&redis, "client|setname").await;
    stand.config.cache.timeout = Duration::from_millis(20);
    stand.client.reconfigure(&stand.config);
    assert_eq!(stand.client.get("a").await, Ok(None));
    assert_eq!(calls(&redis, "client|setname").await, before);
    redis.freeze();
    let begin = Instant::now();
    assert!(stand.client.get("a").await.is_err());
    assert!(begin.elapsed() < DEADLINE, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_closed_client_holds_nothing_open() {
    let redis = Redis::start().await;
    let stand = Stand::open(&redis).await;
    redis.freeze();
    let (answer, ()) = tokio::join!(stand.client.get("a"), stand.client.close());
    assert_eq!(answer, Err(Unanswered::Bypassed));
    redis.thaw();
    assert_eq!(stand.client.get("a").await, Err(Unanswered::Bypassed));
    wait::until("the connection is closed", PATIENCE, async || {
        let clients = redis.command(&["CLIENT", "LIST"]).await;
        (!clients.contains("name=budgetd")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_a_supervisor_redis_is_bypassed() {
    let redis = Redis::start().await;
    let Stand {
        client,
        health,
        reader,
        ..
    } = Stand::open(&redis).await;
    drop((health, reader));
    wait::until("it is bypassed", PATIENCE, async || {
        client.is_bypassed().then_some(())
    })
    .await;
    client.close().await;
}

#[tokio::test]
async fn passed_checks_alone_do_not_set_the_pace_of_trying() {
    // It answers the first word, then leaves.
    let fickle = Talker::says_and_leaves(b"+OK\r\n").await;
    let url = format!("redis://localhost:{}", fickle.port());
    let mut stand = Stand::new(&url, &[]);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(1) {
        let hints = stand.hints();
        stand.checked(Status::Ok);
        while stand.hints() == hints && begin.elapsed() < Duration::from_secs(1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!((2..60).contains(&stand.hints()), "{}", stand.hints());
}
