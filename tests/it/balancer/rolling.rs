//! A rolling restart loses nothing, and neither does a dependency that dies in
//! between, but for the 503 while the database really is down.

use rustix::process::Signal;
use tokio::time::Instant;

use super::Rig;
use super::load::{Load, Outages};
use crate::support::{Balancer, Haproxy, Mode, Nginx, PATIENCE, wait};

/// Each round restarts both instances, one after the other.
async fn restart_under_load<B: Balancer>(rounds: usize) -> Rig<B> {
    let mut rig = Rig::<B>::start().await;
    let planner = rig.planner();
    let load = Load::start(&planner, rig.balancer.port()).await;
    let mut outages = Outages::default();
    for step in 0..rounds * 2 {
        flow(&load).await;
        rig.restart(step % 2).await;
        flow(&load).await;
        match step % 3 {
            0 => rig.lose_database(&mut outages).await,
            1 => rig.lose_cache().await,
            _ => rig.lose_auth_api().await,
        }
    }
    flow(&load).await;
    load.finish(&outages, &planner).await;
    rig
}

/// `HAProxy` would have sent again what a restart broke off; there was nothing.
async fn nothing_was_sent_again(rig: &Rig<Haproxy>) {
    assert_eq!(rig.balancer.retries().await, 0, "{}", rig.balancer.log());
}

/// Waits until some more requests have come through.
async fn flow(load: &Load) {
    let goal = load.count() + 50;
    wait::until("requests come through", PATIENCE, async || {
        (load.count() >= goal).then_some(())
    })
    .await;
}

impl<B: Balancer> Rig<B> {
    async fn restart(&mut self, number: usize) {
        let instance = &mut self.instances[number];
        instance.signal(Signal::TERM);
        assert_eq!(instance.exit().await, 0, "{}", instance.everything());
        let drained = &instance.lines_of("drain_complete")[0];
        assert_eq!(drained["drain_timeout_exceeded"], 0);
        instance.serve_again().await;
        // The next one must not go before this one is back.
        self.balancer.until_ready([true, true]).await;
    }

    async fn lose_database(&mut self, outages: &mut Outages) {
        let since = Instant::now();
        self.database.kill().await;
        self.balancer.until_ready([false, false]).await;
        self.database.restart_same_port().await;
        self.until_status("database", "ok").await;
        outages.add(since);
        self.balancer.until_ready([true, true]).await;
    }

    async fn lose_cache(&mut self) {
        self.cache.kill().await;
        self.until_status("cache", "error").await;
        self.cache.restart_same_port().await;
        self.until_status("cache", "ok").await;
    }

    async fn lose_auth_api(&mut self) {
        self.auth.set(Mode::Refuse).await;
        self.auth.cut();
        self.until_status("supabase_auth", "error").await;
        self.auth.set(Mode::Pass).await;
        self.until_status("supabase_auth", "ok").await;
    }
}

#[tokio::test]
async fn behind_haproxy_a_rolling_restart_loses_nothing() {
    let rig = restart_under_load::<Haproxy>(2).await;
    nothing_was_sent_again(&rig).await;
}

#[tokio::test]
async fn behind_nginx_a_rolling_restart_loses_nothing() {
    restart_under_load::<Nginx>(2).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn behind_haproxy_ten_rolling_restarts_lose_nothing() {
    let rig = restart_under_load::<Haproxy>(10).await;
    nothing_was_sent_again(&rig).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn behind_nginx_ten_rolling_restarts_lose_nothing() {
    restart_under_load::<Nginx>(10).await;
}
