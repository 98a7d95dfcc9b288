//! Dependencies that go and come back.

use futures_util::future::join_all;

use super::rig::{Rig, Way, until_one_of};
use crate::support::Mode;
use crate::support::visitor::Visitor;

/// Flaps of each dependency, all of them at once.
pub(super) async fn run(rig: &Rig, count: usize) {
    join_all(rig.ways.iter().map(|way| flap(rig, way, count))).await;
    for way in &rig.ways {
        rig.until_status(way, "ok").await;
    }
}

pub(super) async fn flap(rig: &Rig, way: &Way, count: usize) {
    let mut visitor = Visitor::of(rig.daemon.admin());
    for _ in 0..count {
        way.proxy.set(Mode::Refuse).await;
        way.proxy.cut();
        until_one_of(&mut visitor, way.name, &["error", "blocked"]).await;
        way.proxy.set(Mode::Pass).await;
        until_one_of(&mut visitor, way.name, &["ok"]).await;
    }
}
