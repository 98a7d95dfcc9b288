//! What the service manager is told.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::support::{Daemon, DaemonOptions, PATIENCE, Redis, wait};

/// The manager's end of the notification socket, and all it has heard.
struct Manager {
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    /// One that a daemon with these options will speak to.
    fn of(options: DaemonOptions) -> (Self, DaemonOptions) {
        let path = options.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let options = options.variable("NOTIFY_SOCKET", path.to_str().unwrap());
        let told = Vec::new();
        (Self { socket, told }, options)
    }

    /// Every line that has arrived.
    fn told(&mut self) -> &[String] {
        let mut datagram = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut datagram) {
            let text = std::str::from_utf8(&datagram[..length]).unwrap();
            self.told.extend(text.lines().map(ToOwned::to_owned));
        }
        &self.told
    }

    fn count(&mut self, line: &str) -> usize {
        self.told().iter().filter(|told| *told == line).count()
    }

    /// The values of all lines with this name, in order.
    fn values(&mut self, name: &str) -> Vec<String> {
        let value = |line: &String| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
        self.told().iter().filter_map(value).collect()
    }

    async fn until(&mut self, what: &str, found: impl Fn(&str) -> bool) -> String {
        wait::until(format!("{what} arrives"), PATIENCE, async || {
            self.told().iter().find(|line| found(line)).cloned()
        })
        .await
    }

    async fn until_line(&mut self, line: &str) {
        self.until(line, |told| told == line).await;
    }
}

/// A daemon that lacks its Redis, with little time to wait for it.
async fn without_redis() -> (Redis, Manager, Daemon) {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let options = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true")
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "5m");
    let (manager, options) = Manager::of(options);
    let mut daemon = options.start();
    daemon.open().await;
    daemon.until_status("cache", "error").await;
    (redis, manager, daemon)
}

#[tokio::test]
async fn it_hears_that_the_api_accepts_and_that_the_stop_has_begun() {
    let (mut redis, mut manager, daemon) = without_redis().await;
    let waiting = |line: &str| {
        line.starts_with("STATUS=waiting for cache: connection refused (attempt ")
            && line.ends_with(" s left)")
    };
    manager.until("a sentence about the wait", waiting).await;
    let left: u64 = manager.values("EXTEND_TIMEOUT_USEC")[0].parse().unwrap();
    assert!((20_000_000..=32_000_000).contains(&left), "{left}");
    assert_eq!(manager.count("READY=1"), 0);

    redis.restart_same_port().await;
    manager.until_line("READY=1").await;
    assert_eq!(daemon.get("/health").await.unwrap().code, 200);
    manager.until_line("STATUS=serving").await;

    // Its own deadline for a stop includes the drain.
    daemon.signal(Signal::TERM);
    manager.until_line("STOPPING=1").await;
    assert_eq!(daemon.until_overall("draining").await, 503);
    assert_eq!(daemon.get("/health").await.unwrap().code, 200);
    let promises = manager.values("EXTEND_TIMEOUT_USEC");
    let left: u64 = promises.last().unwrap().parse().unwrap();
    assert!((330_000_000..=360_000_000).contains(&left), "{left}");
    let draining = |line: &str| line.starts_with("STATUS=draining: still serving for ");
    manager.until("a sentence about the drain", draining).await;
}

#[tokio::test]
async fn its_last_words_are_why_it_could_not_start() {
    let (_redis, mut manager, mut daemon) = without_redis().await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit().await, 0);
    assert_eq!(manager.count("STOPPING=1"), 1);
    let last = manager.values("STATUS").pop();
    assert_eq!(last.as_deref(), Some("stopped by SIGINT"));

    let options = DaemonOptions::default()
        .brisk()
        .database("postgres://127.0.0.1:1/none")
        .config("startup_deadline = \"1s\"");
    let (mut manager, options) = Manager::of(options);
    let mut daemon = options.start();
    assert_eq!(daemon.exit().await, 69);
    let last = manager.values("STATUS").pop().unwrap();
    assert!(
        last.starts_with("cannot start: database was not up"),
        "{last}"
    );
    assert_eq!(manager.count("READY=1"), 0);
}

#[tokio::test]
async fn a_reload_is_told_from_begin_to_end_even_when_it_fails() {
    let options = DaemonOptions::default().brisk();
    let (mut manager, options) = Manager::of(options);
    let mut daemon = options.serve().await;
    manager.until_line("READY=1").await;

    daemon.signal(Signal::HUP);
    daemon.event("config_reloaded").await;
    manager.until_line("RELOADING=1").await;
    assert_eq!(manager.values("MONOTONIC_USEC").len(), 1);
    wait::until("the end of the reload", PATIENCE, async || {
        (manager.count("READY=1") == 2).then_some(())
    })
    .await;

    daemon.rewrite_config("nonsense = 1");
    daemon.signal(Signal::HUP);
    daemon.event("config_reload_failed").await;
    wait::until("the end of the failed reload", PATIENCE, async || {
        (manager.count("READY=1") == 3).then_some(())
    })
    .await;
    assert_eq!(manager.count("RELOADING=1"), 2);
}

#[tokio::test]
async fn the_watchdog_is_fed_by_the_process_that_it_watches() {
    let options = DaemonOptions::default()
        .brisk()
        .variable("WATCHDOG_USEC", "4000000");
    let (mut manager, options) = Manager::of(options);
    let _daemon = options.serve().await;
    wait::until("the watchdog is fed twice", PATIENCE, async || {
        (manager.count("WATCHDOG=1") >= 2).then_some(())
    })
    .await;

    // This one is for another process.
    let options = DaemonOptions::default()
        .brisk()
        .variable("WATCHDOG_USEC", "1000")
        .variable("WATCHDOG_PID", "1");
    let (mut manager, options) = Manager::of(options);
    let mut daemon = options.serve().await;
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit().await, 0);
    assert_eq!(manager.count("WATCHDOG=1"), 0);
}

#[tokio::test]
async fn a_watchdog_that_cannot_be_fed_in_time_is_refused() {
    let options = DaemonOptions::default().variable("WATCHDOG_USEC", "1500000");
    let (mut manager, options) = Manager::of(options);
    let mut daemon = options.start();
    assert_eq!(daemon.exit().await, 78);
    let expected = "cannot keep a watchdog of 1s 500ms fed: ";
    let stderr = daemon.stderr();
    assert!(stderr.contains(expected), "{stderr}");
    assert!(stderr.contains("WatchdogSec= to 4s or more"), "{stderr}");
    assert!(manager.values("STATUS")[0].starts_with(expected));
}
