//! What the service manager is told.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::support::{DaemonOptions, PATIENCE, Redis, wait};

/// The manager's end of the notification socket.
struct Manager(UnixDatagram);

impl Manager {
    /// Every line that has arrived since the last call.
    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut datagram = [0; 4096];
        while let Ok(length) = self.0.recv(&mut datagram) {
            let text = std::str::from_utf8(&datagram[..length]).unwrap();
            told.extend(text.lines().map(ToOwned::to_owned));
        }
        told
    }

    async fn until(&self, line: &str) {
        wait::until(format!("{line} arrives"), PATIENCE, async || {
            self.told().iter().any(|told| told == line).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn it_hears_that_the_api_accepts_and_that_the_stop_has_begun() {
    let mut redis = Redis::start().await;
    redis.stop().await;
    let options = DaemonOptions::default()
        .brisk()
        .cache(&redis.url())
        .variable("REDIS_REQUIRED", "true")
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "5m");
    let socket = options.folder().join("notify");
    let manager = Manager(UnixDatagram::bind(&socket).unwrap());
    manager.0.set_nonblocking(true).unwrap();
    let mut daemon = options
        .variable("NOTIFY_SOCKET", socket.to_str().unwrap())
        .start();
    daemon.open().await;
    daemon.until_status("cache", "error").await;
    let told = manager.told();
    assert!(!told.iter().any(|line| line == "READY=1"), "{told:?}");

    redis.restart_same_port().await;
    manager.until("READY=1").await;
    assert_eq!(daemon.get("/health").await.unwrap().code, 200);

    // Its own deadline for a stop includes the drain.
    daemon.signal(Signal::TERM);
    manager.until("STOPPING=1").await;
    assert_eq!(daemon.until_overall("draining").await, 503);
    assert_eq!(daemon.get("/health").await.unwrap().code, 200);
}
