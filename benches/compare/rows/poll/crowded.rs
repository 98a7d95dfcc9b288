//! A daemon that watches very many.

use std::time::Duration;

use super::turn::Turn;
use crate::crowd::{Crowd, all_up};
use crate::support::DaemonOptions;

/// One turn: the daemon and those whom it watches end with it.
pub(super) async fn poll(number: usize, length: Duration) -> Turn {
    let crowd = Crowd::start();
    let daemon = all_up(crowd.watched(DaemonOptions::default(), number)).await;
    Turn::of(&daemon, length, Some(&crowd)).await
}
