//! Polls of readiness, beside servers whose only trade is to answer.

use std::cmp::Ordering;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::Effort;
use crate::clients::overall;
use crate::contest::alternate;
use crate::goal::Goal;
use crate::peers::{Room, Web};
use crate::plot::Plot;
use crate::section::Section;
use crate::statistics::{count, median};
use crate::support::{Daemon, DaemonOptions, client};
use crate::table::Table;
use crate::trio::Trio;
use crate::unit::Unit;
use crate::wrk::{self, Polls};

mod crowded;
mod flapping;
mod turn;

use turn::Turn;

const READY: &str = "/health/ready";
const OURS: &str = "budgetd";
const ALONE: &str = "budgetd, 1 worker thread";
const FLAPPING: &str = "budgetd, 1 worker thread, all three dependencies flapping";
const CROWDED: &str = "budgetd, 10,000 dependencies watched";
const PEERS: [&str; 3] = ["nginx, 1 worker", "nginx, 2 workers", "HAProxy"];
const CROWDED_PEER: &str = "HAProxy, 10,000 servers checked";
/// Without what happens around them, and with it.
const CALM: [&str; 5] = [OURS, ALONE, PEERS[0], PEERS[1], PEERS[2]];
const ALL: [&str; 8] = [
    OURS,
    ALONE,
    PEERS[0],
    PEERS[1],
    PEERS[2],
    FLAPPING,
    CROWDED,
    CROWDED_PEER,
];

/// Connections that stay open.
pub(crate) async fn kept_alive(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let stage = Stage::set(&trio).await;
    let length = Duration::from_secs(effort.of(4, 1));
    let number = effort.of(10_000, 100);
    // Whoever flaps or watches a crowd does so in its own turn alone: the
    // others would be slowed down by it.
    let turns = alternate(ALL.len(), effort.of(7, 1), async |contestant| {
        match ALL[contestant] {
            OURS => Turn::of(&stage.ours, length, None).await,
            FLAPPING => Turn::only(flapping::poll(&trio).await),
            CROWDED => crowded::poll(number, length).await,
            CROWDED_PEER => Turn::only(crowded::poll_peer(number, &stage.body, length).await),
            other => Turn::only(wrk::poll(stage.port(other), READY, length, true).await),
        }
    })
    .await;
    let runs: Vec<Vec<Polls>> = turns
        .iter()
        .map(|turns| turns.iter().map(|turn| turn.polls).collect())
        .collect();
    let of = |name: &str, value: fn(&Turn) -> Option<f64>| {
        let place = ALL.iter().position(|one| *one == name);
        let turns = &turns[place.expect("it takes part")];
        turns.iter().filter_map(value).collect::<Vec<f64>>()
    };
    let cost = Table::new("processor time of a poll", Unit::Microseconds)
        .with(OURS, of(OURS, |turn| turn.each))
        .with(CROWDED, of(CROWDED, |turn| turn.each));
    let checks = Table::new("checks a second while it is polled", Unit::PerSecond)
        .with(CROWDED, of(CROWDED, |turn| turn.checks));

    let (rates, p99) = (rates(&ALL, &runs), p99(&ALL, &runs));
    let (quickest, steadiest) = (highest(&rates), lowest(&p99));
    let mut goals = Vec::new();
    for (name, peer) in [
        (OURS, quickest),
        (ALONE, quickest),
        (FLAPPING, quickest),
        (CROWDED, quickest),
        (CROWDED, CROWDED_PEER),
    ] {
        let ratio = rates.of(name).median() / rates.of(peer).median();
        let what = format!("{name}: requests a second ÷ those of {peer}");
        goals.push(Goal::at_least(what, ratio, 1.0, Unit::Times));
    }
    for name in [OURS, ALONE, FLAPPING, CROWDED] {
        let ratio = p99.of(name).median() / p99.of(steadiest).median();
        let what = format!("{name}: p99 ÷ that of {steadiest}");
        goals.push(Goal::at_most(what, ratio, 1.0, Unit::Times));
    }
    goals.push(Goal::at_most(
        format!("{CROWDED}: processor time of a poll ÷ that with three"),
        cost.of(CROWDED).median() / cost.ours().median(),
        1.1,
        Unit::Times,
    ));
    goals.push(Goal::at_least(
        format!("{CROWDED}: checks a second"),
        median(of(CROWDED, |turn| turn.checks)),
        0.9 * count(number),
        Unit::PerSecond,
    ));
    let plots = vec![Plot::bars("poll", &rates)];
    let mut tables = vec![rates, p99, cost, checks];
    tables.extend(oddities(&ALL, &runs));
    Section {
        about: format!(
            "`GET {READY}` over {} connections that stay open, by `wrk -t1`, which shares the \
             cores, {} here, with whoever answers. nginx (`return 200`) and HAProxy (`http-request \
             return`) answer with a body as long as that of budgetd with its three dependencies \
             up. budgetd has a worker thread for each core, as nginx with 2 workers, or one \
             (`TOKIO_WORKER_THREADS=1`), which leaves the other core to `wrk`. While they flap, \
             with checks every 100 ms so that each of them is seen to go and to come, some \
             answers are a longer 503; with {number} dependencies the document counts them and \
             names those alone that are not up. What happens around a contestant happens in its \
             turn only. The processor time of a poll is what the daemon takes while \
             it is polled, without what it takes in as long a time unasked.",
            wrk::CONNECTIONS,
            cores(),
        ),
        goals,
        plots,
        tables,
        ..Section::default()
    }
}

/// A new connection for each request, as load balancers do it.
pub(crate) async fn one_connection_each(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let stage = Stage::set(&trio).await;
    let length = Duration::from_secs(effort.of(4, 1));
    let runs = alternate(CALM.len(), effort.of(7, 1), async |contestant| {
        wrk::poll(stage.port(CALM[contestant]), READY, length, false).await
    })
    .await;
    let (rates, p99) = (rates(&CALM, &runs), p99(&CALM, &runs));
    let best = highest(&rates);
    let goal = |name| {
        let ratio = rates.of(name).median() / rates.of(best).median();
        let what = format!("{name}: requests a second ÷ those of {best}");
        Goal::at_least(what, ratio, 0.9, Unit::Times)
    };
    let goals = [OURS, ALONE].map(goal).into();
    let plots = vec![Plot::bars("connect", &rates)];
    let mut tables = vec![rates, p99];
    tables.extend(oddities(&CALM, &runs));
    Section {
        about: format!(
            "The same, each request with `Connection: close`: {} clients, and a new connection \
             for every request.",
            wrk::CONNECTIONS
        ),
        goals,
        plots,
        tables,
        ..Section::default()
    }
}

/// Everyone whose surroundings do not change.
struct Stage {
    ours: Daemon,
    alone: Daemon,
    peers: [Web; 3],
    /// As long as the readiness document.
    body: String,
}

impl Stage {
    async fn set(trio: &Trio) -> Self {
        let ours = trio.watched().await;
        let alone = one_thread(trio.options()).serve().await;
        overall(&alone, "ok").await;
        let document = client::get(ours.api(), READY).await.expect("it serves");
        let body = "x".repeat(document.bytes.len());
        let peers = [
            Web::nginx(1, &body, Room::Default).ready().await,
            Web::nginx(2, &body, Room::Default).ready().await,
            Web::haproxy(&body, Room::Default).ready().await,
        ];
        Self {
            ours,
            alone,
            peers,
            body,
        }
    }

    fn port(&self, name: &str) -> u16 {
        match PEERS.iter().position(|peer| *peer == name) {
            Some(place) => self.peers[place].port(),
            None if name == ALONE => self.alone.api(),
            None => self.ours.api(),
        }
    }
}

/// All that a daemon does takes turns on one thread.
fn one_thread(options: DaemonOptions) -> DaemonOptions {
    options.variable("TOKIO_WORKER_THREADS", "1")
}

fn table(
    figure: &str,
    unit: Unit,
    names: &[&str],
    runs: &[Vec<Polls>],
    value: fn(&Polls) -> f64,
) -> Table {
    names
        .iter()
        .zip(runs)
        .fold(Table::new(figure, unit), |table, (name, runs)| {
            table.with(*name, runs.iter().map(value))
        })
}

fn rates(names: &[&str], runs: &[Vec<Polls>]) -> Table {
    table("requests a second", Unit::PerSecond, names, runs, |run| {
        run.rate
    })
}

fn p99(names: &[&str], runs: &[Vec<Polls>]) -> Table {
    table("p99", Unit::Milliseconds, names, runs, |run| run.p99)
}

/// What should not happen, or only while dependencies flap; where it did.
fn oddities(names: &[&str], runs: &[Vec<Polls>]) -> impl Iterator<Item = Table> {
    type Oddity = (&'static str, fn(&Polls) -> f64);
    let kinds: [Oddity; 2] = [
        ("answers that are no 200", |run| run.refused),
        ("answers that took over two seconds", |run| run.late),
    ];
    let tables = kinds.map(|(figure, value)| {
        let mut table = table(figure, Unit::Pieces, names, runs, value);
        table.series.retain(|one| one.highest() > 0.0);
        table
    });
    tables.into_iter().filter(|table| !table.series.is_empty())
}

/// The peer with the highest median, and the one with the lowest: what a goal
/// is held against is the best of its figure.
fn highest(table: &Table) -> &'static str {
    let rising = |one: &&str, other: &&str| medians(table, one, other);
    PEERS.into_iter().max_by(rising).expect("there are some")
}

fn lowest(table: &Table) -> &'static str {
    let rising = |one: &&str, other: &&str| medians(table, one, other);
    PEERS.into_iter().min_by(rising).expect("there are some")
}

fn medians(table: &Table, one: &str, other: &str) -> Ordering {
    let [one, other] = [one, other].map(|name| table.of(name).median());
    one.total_cmp(&other)
}

fn cores() -> usize {
    available_parallelism().map_or(1, std::num::NonZero::get)
}
