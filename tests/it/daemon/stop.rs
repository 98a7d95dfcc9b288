//! Signals, and the way out.

use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::caller::now;
use crate::support::client::{self, Response};
use crate::support::{Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Redis, wait, within};

/// Longer than any test may take.
const LONG: &str = "5m";

fn options(drain_delay: &str, drain_timeout: &str) -> DaemonOptions {
    DaemonOptions::default()
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", drain_delay)
        .variable("BUDGETD__LIFECYCLE__DRAIN_TIMEOUT", drain_timeout)
}

/// A daemon whose statistics of the cache take as long as the proxy wants: a
/// request that stays in flight.
struct Held {
    daemon: Daemon,
    proxy: FaultProxy,
    /// Connections that were there before.
    before: usize,
    _redis: Redis,
}

impl Held {
    async fn start(options: DaemonOptions) -> Self {
        let redis = Redis::start().await;
        let proxy = FaultProxy::in_front_of(redis.port()).await;
        let daemon = options
            .config("[checks]\ninterval = \"1h\"")
            .cache(&format!("redis://localhost:{}", proxy.port()))
            .variable("REDIS_SOCKET_TIMEOUT", "300")
            .variable("REDIS_CONNECT_TIMEOUT", "300")
            .config("[api]\nrequest_timeout = \"5m\"")
            .serve()
            .await;
        daemon.until_status("cache", "ok").await;
        // Requests have a connection of their own, apart from the check's.
        wait::until("the cache is connected", PATIENCE, async || {
            let metrics = daemon.ask("/metrics").await.body;
            metrics.contains("budgetd_cache_bypassed 0").then_some(())
        })
        .await;
        proxy.set(Mode::Stall).await;
        Self {
            daemon,
            before: proxy.accepted(),
            proxy,
            _redis: redis,
        }
    }

    /// Waits until the request has reached the proxy.
    async fn in_flight(&self) {
        wait::until("a request in flight", PATIENCE, async || {
            (self.proxy.accepted() > self.before).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn the_way_out_has_an_order() {
    let (base, top) = (Redis::start().await, Redis::start().await);
    let mut daemon = options("200ms", LONG)
        .brisk()
        .cache(&base.url())
        .config(&format!(
            r#"
            [dependencies.base]
            kind = "redis"
            url = "{}"
            policy = "required"

            [dependencies.top]
            kind = "redis"
            url = "{}"
            policy = "required"
            needs = ["base"]
            "#,
            base.url(),
            top.url()
        ))
        .serve()
        .await;
    daemon.until_overall("ok").await;
    // What has nothing to say holds nothing up.
    let mut idle = TcpStream::connect(("127.0.0.1", daemon.api()))
        .await
        .unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: t\r\n\r\n")
        .await
        .unwrap();
    let mut byte = [0; 1];
    idle.read_exact(&mut byte).await.unwrap();
    let _admin = TcpStream::connect(("127.0.0.1", daemon.admin()))
        .await
        .unwrap();

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    assert_eq!(daemon.stderr(), "");
    let lines = daemon.lines();
    let begin = daemon.place("application_shutdown_begin");
    let told: Vec<_> = lines[begin..]
        .iter()
        .map(|line| match line["dependency"].as_str() {
            Some(name) => format!("{} {name}", line["event"].as_str().unwrap()),
            None => line["event"].as_str().unwrap().to_owned(),
        })
        // Nothing needs the cache, so the order does not say when.
        .filter(|told| told != "dependency_closed cache")
        .collect();
    assert_eq!(
        told,
        [
            "application_shutdown_begin",
            "drain_begin",
            "listener_closed",
            "drain_complete",
            "dependency_closed top",
            "dependency_closed base",
            "redis_client_closed cache",
            "application_shutdown_complete",
        ]
    );
    assert_eq!(daemon.lines_of("redis_client_closed").len(), 1);
    assert_eq!(lines[begin]["signal"], "SIGTERM");
    let drained = &daemon.lines_of("drain_complete")[0];
    assert_eq!(drained["drain_timeout_exceeded"], 0);
    assert!(drained["duration_ms"].as_f64().unwrap() >= 200.0);
}

#[tokio::test]
async fn during_the_drain_delay_everything_is_still_served() {
    let mut daemon = options(LONG, LONG).serve().await;
    let before = daemon.get("/").await.unwrap();
    assert_eq!(before.header("connection"), None);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.until_overall("draining").await, 503);
    let ready = daemon.get("/health/ready").await.unwrap();
    assert_eq!(
        (ready.code, &ready.json()["status"]),
        (503, &"draining".into())
    );
    for (path, code) in [
        ("/", 200),
        ("/health", 200),
        ("/health/live", 200),
        ("/health/startup", 200),
        ("/api/v1/budgets", 404),
    ] {
        let answer = daemon.get(path).await.unwrap();
        assert_eq!(answer.code, code, "{path}");
        assert_eq!(answer.header("connection"), Some("close"), "{path}");
    }
    // Whoever watches knows how long it may go on: the delay and the timeout.
    let metrics = daemon.ask("/metrics").await.body;
    let deadline = metrics
        .lines()
        .find_map(|line| line.strip_prefix("budgetd_drain_deadline_timestamp_seconds "));
    let left = deadline.unwrap().parse::<u64>().unwrap() - now();
    assert!((600 - PATIENCE.as_secs()..=600).contains(&left), "{left}");

    // A configuration that is read now is for nobody.
    daemon.rewrite_config("broken");
    daemon.signal(Signal::HUP);
    // A person may still ask how it is.
    daemon.signal(Signal::USR1);
    let dump = daemon.event("status_dump").await;
    assert_eq!(
        (&dump["status"], &dump["phase"]),
        (&"draining".into(), &"draining".into())
    );
    assert_eq!(daemon.until_overall("draining").await, 503);

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_within(PATIENCE).await, 143);
    assert_eq!(daemon.lines_of("application_shutdown_forced").len(), 1);
    for event in ["config_reload_failed", "application_shutdown_complete"] {
        assert!(daemon.lines_of(event).is_empty(), "{event}");
    }
}

#[tokio::test]
async fn an_interrupt_skips_the_delay() {
    let mut daemon = options(LONG, LONG).serve().await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    assert_eq!(daemon.lines_of("drain_begin")[0]["drain_delay_ms"], 0.0);
}

#[tokio::test]
async fn a_second_interrupt_stops_now() {
    let mut daemon = options(LONG, LONG).serve().await;
    daemon.signal(Signal::TERM);
    daemon.until_overall("draining").await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit_within(PATIENCE).await, 130);
    assert_eq!(
        daemon.lines().last().unwrap()["event"],
        "application_shutdown_forced"
    );
}

#[tokio::test]
async fn what_is_in_flight_finishes() {
    let mut held = Held::start(options("0s", LONG)).await;
    let port = held.daemon.api();
    let request = client::get(port, "/health/cache");
    let stop = async {
        held.in_flight().await;
        held.daemon.signal(Signal::TERM);
        // Nobody new comes in, while the request goes on.
        wait::until("new connects are refused", PATIENCE, async || {
            TcpStream::connect(("127.0.0.1", port))
                .await
                .is_err()
                .then_some(())
        })
        .await;
        assert_eq!(held.daemon.until_overall("draining").await, 503);
        held.proxy.set(Mode::Pass).await;
    };
    let (answer, ()) = within("the request and the stop", async {
        tokio::join!(request, stop)
    })
    .await;
    let answer: Response = answer.unwrap();
    assert_eq!(answer.code, 200);
    assert_eq!(answer.json()["status"], "enabled");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(held.daemon.exit_within(PATIENCE).await, 0);
    assert_eq!(
        held.daemon.lines_of("drain_complete")[0]["drain_timeout_exceeded"],
        0
    );
}

#[tokio::test]
async fn what_does_not_finish_is_cut_and_counted() {
    let mut held = Held::start(options("0s", "300ms")).await;
    let request = client::get(held.daemon.api(), "/health/cache");
    let stop = async {
        held.in_flight().await;
        held.daemon.signal(Signal::TERM);
    };
    let (answer, ()) = within("the request and the stop", async {
        tokio::join!(request, stop)
    })
    .await;
    answer.unwrap_err();
    assert_eq!(held.daemon.exit_within(PATIENCE).await, 0);
    let cut = &held.daemon.lines_of("drain_timeout_exceeded")[0];
    assert_eq!(cut["requests"], 1);
    assert_eq!(cut["held_by"], "GET /health/cache");
    let drained = &held.daemon.lines_of("drain_complete")[0];
    assert_eq!(drained["drain_timeout_exceeded"], 1);
}

#[tokio::test]
async fn a_second_signal_cuts_what_is_in_flight() {
    let mut held = Held::start(options("0s", LONG)).await;
    let request = client::get(held.daemon.api(), "/health/cache");
    let stop = async {
        held.in_flight().await;
        held.daemon.signal(Signal::TERM);
        held.daemon.event("drain_begin").await;
        held.daemon.signal(Signal::TERM);
        held.daemon.exit_within(PATIENCE).await
    };
    let (answer, code) = tokio::join!(request, stop);
    answer.unwrap_err();
    assert_eq!(code, 143);
}

#[tokio::test]
async fn a_request_that_is_arriving_is_answered() {
    let mut daemon = options("0s", LONG).serve().await;
    let mut arriving = TcpStream::connect(("127.0.0.1", daemon.api()))
        .await
        .unwrap();
    arriving.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    // A later connection that was answered shows that the first was accepted.
    daemon.get("/").await.unwrap();
    daemon.signal(Signal::TERM);
    daemon.until_overall("draining").await;
    arriving.write_all(b"st: t\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within("the answer", arriving.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
}

#[tokio::test]
async fn half_a_request_holds_the_drain_no_longer_than_its_deadline() {
    let mut daemon = options("0s", "300ms")
        .config("[api]\nheader_timeout = \"5m\"")
        .serve()
        .await;
    let mut half = TcpStream::connect(("127.0.0.1", daemon.api()))
        .await
        .unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nho").await.unwrap();
    daemon.get("/").await.unwrap();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_its_answer() {
    let mut daemon = options("0s", LONG).serve().await;
    let path = "/docs/swagger-ui-bundle.js";
    let whole = daemon.get(path).await.unwrap();
    let whole: usize = whole.header("content-length").unwrap().parse().unwrap();
    let mut slow = TcpStream::connect(("127.0.0.1", daemon.api()))
        .await
        .unwrap();
    // More than fits between the two, so one is on its way for as long as
    // nobody reads.
    let count = 64;
    let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n");
    slow.write_all(request.repeat(count).as_bytes())
        .await
        .unwrap();
    within("the first bytes", slow.readable()).await.unwrap();
    daemon.signal(Signal::TERM);
    daemon.event("drain_begin").await;
    let mut taken = Vec::new();
    within("the rest", slow.read_to_end(&mut taken))
        .await
        .unwrap();
    // Responses may be dropped as a whole, and none in the middle.
    assert!(taken.len() > whole);
    let heads = taken
        .windows(12)
        .filter(|bytes| bytes == b"HTTP/1.1 200")
        .count();
    let head = taken
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap()
        + 4;
    assert!(
        taken.len() >= heads * whole + head,
        "{} bytes with {heads} heads hold no {heads} bodies of {whole}; it wrote:\n{}",
        taken.len(),
        daemon.everything()
    );
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    let drained = &daemon.lines_of("drain_complete")[0];
    assert_eq!(drained["drain_timeout_exceeded"], 0);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_counted() {
    let mut daemon = options("0s", "300ms").serve().await;
    let mut stuck = TcpStream::connect(("127.0.0.1", daemon.api()))
        .await
        .unwrap();
    let request = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: t\r\n\r\n";
    stuck
        .write_all(request.repeat(64).as_bytes())
        .await
        .unwrap();
    within("the first bytes", stuck.readable()).await.unwrap();
    let metrics = "budgetd_http_requests_total";
    // The count stands still when no more fits between the two.
    let mut before = String::new();
    wait::until("the connection is full", PATIENCE, async || {
        let all = daemon.ask("/metrics").await.body;
        let now = all
            .lines()
            .filter(|line| line.starts_with(metrics) && line.contains("/docs"))
            .collect::<String>();
        let still = !now.is_empty() && now == before;
        before = now;
        still.then_some(())
    })
    .await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    let cut = &daemon.lines_of("drain_timeout_exceeded")[0];
    assert_eq!(cut["requests"], 1);
    assert_eq!(cut["held_by"], "GET /docs/swagger-ui-bundle.js");
}

#[tokio::test]
async fn a_lost_dependency_does_not_hold_the_way_out() {
    let redis = Redis::start().await;
    let proxy = FaultProxy::in_front_of(redis.port()).await;
    let mut daemon = options("0s", LONG)
        .config("[checks]\ninterval = \"1h\"\ntimeout = \"5m\"\nconnect_timeout = \"5m\"")
        .cache(&format!("redis://localhost:{}", proxy.port()))
        .variable("REDIS_SOCKET_TIMEOUT", "300")
        .variable("REDIS_CONNECT_TIMEOUT", "300")
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    proxy.set(Mode::Stall).await;
    let before = proxy.accepted();
    assert_eq!(daemon.post("/check/cache").await.code, 202);
    wait::until("a check hangs", PATIENCE, async || {
        (proxy.accepted() > before).then_some(())
    })
    .await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
    assert_eq!(daemon.lines_of("redis_client_closed").len(), 1);
}

#[tokio::test]
async fn a_person_may_ask_for_a_check_and_the_state() {
    let redis = Redis::start().await;
    let mut daemon = DaemonOptions::default()
        .config("[checks]\ninterval = \"1h\"")
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    assert_eq!(daemon.status_of("cache").await["attempts"], 1);
    daemon.signal(Signal::USR1);
    let dump = daemon.event("status_dump").await;
    assert_eq!(dump["status"], "ok");
    assert_eq!(dump["phase"], "serving");
    let told = dump["dependencies"].as_str().unwrap();
    for word in ["cache=ok", "database=not_configured"] {
        assert!(told.contains(word), "no {word} in {told}");
    }
    wait::until("it is checked", PATIENCE, async || {
        (daemon.status_of("cache").await["attempts"] == 2).then_some(())
    })
    .await;
    assert_eq!(daemon.lines_of("status_dump").len(), 1);
}
