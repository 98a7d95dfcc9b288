//! Whoever watches very many.

use std::time::Duration;

use tokio::time::sleep;

use super::READY;
use super::turn::Turn;
use crate::crowd::{Crowd, all_up};
use crate::peers::{Check, Haproxy};
use crate::support::DaemonOptions;
use crate::wrk::{self, Polls};

/// One turn: the daemon and those whom it watches end with it.
pub(super) async fn poll(number: usize, length: Duration) -> Turn {
    let crowd = Crowd::start();
    let daemon = all_up(crowd.watched(DaemonOptions::default(), number)).await;
    Turn::of(&daemon, length, Some(&crowd)).await
}

/// The same of `HAProxy`, which answers with `body`.
pub(super) async fn poll_peer(number: usize, body: &str, length: Duration) -> Polls {
    let crowd = Crowd::start();
    let haproxy = Haproxy::of_many(Check::Connect, crowd.addresses(number), body).await;
    // Its checks begin over the first second.
    sleep(Duration::from_secs(2)).await;
    wrk::poll(haproxy.port(), READY, length, true).await
}
