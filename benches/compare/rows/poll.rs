//! Polls of readiness, beside servers whose only trade is to answer.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use crate::Effort;
use crate::clients::overall;
use crate::contest::alternate;
use crate::crowd::Crowd;
use crate::goal::Goal;
use crate::peers::Web;
use crate::plot::Plot;
use crate::section::Section;
use crate::support::{Daemon, DaemonOptions, FaultProxy, Mode, client};
use crate::table::Table;
use crate::trio::Trio;
use crate::unit::Unit;
use crate::wrk::{self, Polls};

const READY: &str = "/health/ready";
const OURS: &str = "budgetd";
const FLAPPING: &str = "budgetd, all three dependencies flapping";
const CROWDED: &str = "budgetd, 10,000 dependencies watched";
const PEERS: [&str; 3] = ["nginx, 1 worker", "nginx, 2 workers", "HAProxy"];

/// Connections that stay open.
pub(crate) async fn kept_alive(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let daemon = trio.watched().await;
    let peers = peers(&daemon).await;
    let flapping = Flapping::start(&trio).await;
    let crowd = Crowd::start();
    let watched = crowd.watched(DaemonOptions::default(), effort.of(10_000, 100));
    let crowded = watched.serve().await;
    overall(&crowded, "ok").await;

    let mut ports: Vec<u16> = vec![daemon.api()];
    ports.extend(peers.iter().map(Web::port));
    ports.extend([flapping.daemon.api(), crowded.api()]);
    let length = Duration::from_secs(effort.of(4, 1));
    let runs = alternate(ports.len(), effort.of(7, 1), async |contestant| {
        let port = ports[contestant];
        let polling = wrk::poll(port, READY, length, true);
        if port == flapping.daemon.api() {
            tokio::select! {
                polls = polling => polls,
                () = flapping.flap() => unreachable!("it has no end"),
            }
        } else {
            polling.await
        }
    })
    .await;
    let names = [OURS, PEERS[0], PEERS[1], PEERS[2], FLAPPING, CROWDED];
    let (rates, p99) = tables(&names, &runs);
    let best = best(&rates);
    let mut goals = Vec::new();
    for name in [OURS, FLAPPING, CROWDED] {
        let ratio = rates.of(name).median() / rates.of(best).median();
        let what = format!("{name}: requests a second ÷ those of {best}");
        goals.push(Goal::at_least(what, ratio, 1.0, Unit::Times));
    }
    let ratio = p99.of(OURS).median() / p99.of(best).median();
    goals.push(Goal::below(
        format!("p99 ÷ that of {best}"),
        ratio,
        1.000_001,
        Unit::Times,
    ));
    Section {
        about: format!(
            "`GET {READY}` over {} connections that stay open, by `wrk -t1`, which has the same two \
             cores. nginx (`return 200`) and HAProxy (`http-request return`) answer with a body of \
             the same length.",
            wrk::CONNECTIONS
        ),
        goals,
        plots: vec![Plot::bars("poll", &rates)],
        tables: vec![rates, p99],
        ..Section::default()
    }
}

/// A new connection for each request, as load balancers do it.
pub(crate) async fn one_connection_each(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let daemon = trio.watched().await;
    let peers = peers(&daemon).await;
    let mut ports: Vec<u16> = vec![daemon.api()];
    ports.extend(peers.iter().map(Web::port));
    let length = Duration::from_secs(effort.of(4, 1));
    let runs = alternate(ports.len(), effort.of(7, 1), async |contestant| {
        wrk::poll(ports[contestant], READY, length, false).await
    })
    .await;
    let (rates, p99) = tables(&[OURS, PEERS[0], PEERS[1], PEERS[2]], &runs);
    let best = best(&rates);
    let ratio = rates.ours().median() / rates.of(best).median();
    Section {
        about: format!(
            "The same, each request with `Connection: close`: {} clients, and a new connection \
             for every request.",
            wrk::CONNECTIONS
        ),
        goals: vec![Goal::at_least(
            format!("requests a second ÷ those of {best}"),
            ratio,
            0.9,
            Unit::Times,
        )],
        plots: vec![Plot::bars("connect", &rates)],
        tables: vec![rates, p99],
        ..Section::default()
    }
}

async fn peers(daemon: &Daemon) -> [Web; 3] {
    let document = client::get(daemon.api(), READY).await.expect("it serves");
    let body = "x".repeat(document.bytes.len());
    [
        Web::nginx(1, &body).ready().await,
        Web::nginx(2, &body).ready().await,
        Web::haproxy(&body).ready().await,
    ]
}

fn tables(names: &[&str], runs: &[Vec<Polls>]) -> (Table, Table) {
    let mut rates = Table::new("requests a second", Unit::PerSecond);
    let mut p99 = Table::new("p99", Unit::Milliseconds);
    for (name, runs) in names.iter().zip(runs) {
        rates = rates.with(*name, runs.iter().map(|run| run.rate));
        p99 = p99.with(*name, runs.iter().map(|run| run.p99));
    }
    (rates, p99)
}

fn best(rates: &Table) -> &'static str {
    let better = |one: &&&str, other: &&&str| {
        let [one, other] = [one, other].map(|name| rates.of(name).median());
        one.total_cmp(&other)
    };
    PEERS.iter().max_by(better).expect("there are some")
}

/// A daemon whose three dependencies come and go.
struct Flapping {
    daemon: Daemon,
    proxies: [FaultProxy; 3],
}

impl Flapping {
    async fn start(trio: &Trio) -> Self {
        let proxies = [
            FaultProxy::in_front_of(trio.database.port()).await,
            FaultProxy::in_front_of(trio.redis.port()).await,
            FaultProxy::in_front_of(trio.auth.port()).await,
        ];
        let [database, redis, auth] = proxies.each_ref().map(FaultProxy::port);
        let daemon = DaemonOptions::default()
            .database(&format!(
                "postgres://postgres@127.0.0.1:{database}/postgres"
            ))
            .cache(&format!("redis://127.0.0.1:{redis}/0"))
            .variable("SUPABASE_URL", &format!("http://127.0.0.1:{auth}"))
            .serve()
            .await;
        overall(&daemon, "ok").await;
        Self { daemon, proxies }
    }

    async fn flap(&self) {
        loop {
            for mode in [Mode::Refuse, Mode::Pass] {
                for proxy in &self.proxies {
                    proxy.set(mode).await;
                    proxy.cut();
                    let pause = rand::rng().random_range(50..150);
                    sleep(Duration::from_millis(pause)).await;
                }
            }
        }
    }
}
