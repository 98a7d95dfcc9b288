//! Dependencies that go and come back.

use futures_util::future::join_all;

use super::rig::{Rig, Way, until_one_of};
use crate::support::Mode;
use crate::support::visitor::Visitor;

/// One flap in so many is a server that stands still, and costs two deadlines.
const STALLS: usize = 500;

/// Flaps of each dependency, all of them at once.
pub(super) async fn run(rig: &Rig, count: usize) {
    join_all(rig.ways.iter().map(|way| flap(rig, way, count))).await;
    for way in &rig.ways {
        rig.until_status(way, "ok").await;
    }
}

pub(super) async fn flap(rig: &Rig, way: &Way, count: usize) {
    let mut visitor = Visitor::of(rig.daemon.admin());
    for number in 1..=count {
        if number % STALLS == 0 {
            way.proxy.set(Mode::Stall).await;
        } else {
            way.proxy.set(Mode::Refuse).await;
            way.proxy.cut();
        }
        until_one_of(&mut visitor, way.name, &["error", "blocked"]).await;
        way.proxy.set(Mode::Pass).await;
        // What was stalled is of no use any more.
        way.proxy.cut();
        until_one_of(&mut visitor, way.name, &["ok"]).await;
    }
}
