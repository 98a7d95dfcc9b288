//! What it costs to watch few and many.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Effort;
use crate::contest::alternate;
use crate::crowd::{Crowd, all_up, many};
use crate::goal::Goal;
use crate::grid::{Column, Grid};
use crate::machine::{processor_seconds, resident_bytes};
use crate::peers::{Check, Haproxy};
use crate::plot::{Line, Plot};
use crate::section::Section;
use crate::statistics::{count, median};
use crate::support::{DaemonOptions, Redis, RedisOptions};
use crate::unit::Unit;

/// What is watched, and how: each protocol has one server that plays them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tcp,
    Redis,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Redis => "redis",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Of one core, in percent.
    processor: f64,
    /// In MB.
    memory: f64,
    sockets: f64,
    /// Checks a second, as those see them who are checked.
    checks: f64,
    /// The fullest tenth of a second, in times the mean.
    burst: f64,
}

/// The runs with one number of dependencies.
type OfNumber = (usize, Vec<Cost>);
type Costs = Vec<OfNumber>;

/// In times: two figures of equal costs differ by less.
const LINEAR: f64 = 1.1;
const CONTESTANTS: [&str; 2] = ["budgetd", "HAProxy"];

pub(crate) async fn measure(effort: Effort) -> Section {
    let numbers: &[usize] = effort.of(&[3, 100, 1_000, 10_000], &[3, 100]);
    let length = Duration::from_secs(effort.of(10, 2));
    let crowd = Crowd::start();
    let redis = RedisOptions::default()
        .setting("maxclients", "15000")
        .start()
        .await;
    let stage = Stage {
        crowd,
        redis,
        length,
    };
    let (mut grids, mut goals) = (Vec::new(), Vec::new());
    let mut lines: [Vec<Line>; 2] = Default::default();
    for kind in [Kind::Tcp, Kind::Redis] {
        let mut costs: [Costs; 2] = Default::default();
        for &number in numbers {
            let runs = alternate(2, effort.of(3, 1), async |contestant| {
                if contestant == 0 {
                    stage.ours(kind, number).await
                } else {
                    stage.haproxy(kind, number).await
                }
            })
            .await;
            for (costs, runs) in costs.iter_mut().zip(runs) {
                costs.push((number, runs));
            }
        }
        for (contestant, costs) in CONTESTANTS.iter().zip(&costs) {
            let line = |what: &dyn Fn(&Cost) -> f64| Line {
                name: format!("{contestant}, {}", kind.name()),
                points: costs
                    .iter()
                    .map(|(number, runs)| (count(*number), median(runs.iter().map(what))))
                    .collect(),
            };
            lines[0].push(line(&|cost| cost.processor));
            lines[1].push(line(&|cost| cost.memory));
        }
        let (most, runs) = costs[0].last().expect("there are some");
        goals.extend(goals_of(kind, *most, runs));
        if let [.., few, many] = &costs[0][..] {
            goals.extend(linear(kind, few, many));
        }
        grids.push(grid(kind, &costs));
    }
    let [processor, memory] = lines;
    Section {
        about: "So many optional dependencies, each checked every second, with nobody asking for \
                readiness. `tcp` opens a connection for each check, as HAProxy does; `redis` sends \
                PING over a session that stays, where HAProxy connects each time. A burst is the \
                fullest tenth of a second, in times the mean; of fewer than 1,000 it says nothing. Checks \
                are counted by those who are checked: connections that were accepted, commands that \
                Redis has processed. HAProxy answers the handshake of `tcp` with a reset, so that \
                no server sees it arrive. Linear is what costs a dependency among many no more than \
                among a tenth of them. \
                How fast readiness is answered meanwhile stands under the first heading."
            .to_owned(),
        goals,
        plots: vec![
            Plot::lines(
                "watching-processor",
                "processor time of watching",
                Unit::Percent,
                processor,
            ),
            Plot::lines(
                "watching-memory",
                "memory of watching",
                Unit::Megabytes,
                memory,
            ),
        ],
        grids,
        ..Section::default()
    }
}

fn grid(kind: Kind, costs: &[Costs; 2]) -> Grid {
    type Figure = (&'static str, Unit, fn(&Cost) -> f64);
    let figures: [Figure; 3] = [
        ("processor", Unit::Percent, |cost| cost.processor),
        ("memory", Unit::Megabytes, |cost| cost.memory),
        ("sockets", Unit::Pieces, |cost| cost.sockets),
    ];
    let column = |(contestant, figure): (&str, &Figure)| Column {
        name: format!("{contestant}: {}", figure.0),
        unit: figure.1,
    };
    // Whose checks nobody sees has an empty column less.
    let checked = |contestant: usize| kind == Kind::Redis || contestant == 0;
    let mut columns: Vec<Column> = figures
        .iter()
        .flat_map(|figure| CONTESTANTS.map(|contestant| column((contestant, figure))))
        .collect();
    for (place, contestant) in CONTESTANTS.into_iter().enumerate() {
        if checked(place) {
            let figure: Figure = ("checks", Unit::PerSecond, |cost| cost.checks);
            columns.push(column((contestant, &figure)));
        }
    }
    if kind == Kind::Tcp {
        columns.push(column((CONTESTANTS[0], &("burst", Unit::Times, |_| 0.0))));
    }
    let [ours, theirs] = costs;
    let row = |((number, ours), (_, theirs)): (&OfNumber, &OfNumber)| {
        let cells = figures
            .iter()
            .flat_map(|(_, _, value)| [ours, theirs].map(|runs| runs.iter().map(value).collect()));
        let mut cells: Vec<Vec<f64>> = cells.collect();
        for (place, runs) in [ours, theirs].into_iter().enumerate() {
            if checked(place) {
                cells.push(runs.iter().map(|cost| cost.checks).collect());
            }
        }
        if kind == Kind::Tcp {
            cells.push(ours.iter().map(|cost| cost.burst).collect());
        }
        (*number, cells)
    };
    Grid {
        of: format!("kind `{}`", kind.name()),
        columns,
        rows: ours.iter().zip(theirs).map(row).collect(),
    }
}

fn goals_of(kind: Kind, number: usize, runs: &[Cost]) -> Vec<Goal> {
    let of = |value: &dyn Fn(&Cost) -> f64| median(runs.iter().map(value));
    let what = |what: &str| format!("{number} of kind {}: {what}", kind.name());
    let mut goals = vec![
        Goal::below(
            what("processor"),
            of(&|cost| cost.processor),
            50.0,
            Unit::Percent,
        ),
        Goal::below(
            what("resident memory"),
            of(&|cost| cost.memory),
            150.0,
            Unit::Megabytes,
        ),
        Goal::at_least(
            what("checks a second"),
            of(&|cost| cost.checks),
            0.9 * count(number),
            Unit::PerSecond,
        ),
    ];
    if kind == Kind::Tcp {
        goals.push(Goal::below(
            what("burst"),
            of(&|cost| cost.burst),
            2.0,
            Unit::Times,
        ));
    }
    goals
}

/// What a dependency costs among many, in times what it costs among few.
fn linear(kind: Kind, few: &OfNumber, many: &OfNumber) -> [Goal; 2] {
    type Figure = (&'static str, fn(&Cost) -> f64);
    let figures: [Figure; 2] = [
        ("processor", |cost| cost.processor),
        ("resident memory", |cost| cost.memory),
    ];
    figures.map(|(figure, value)| {
        let each = |(number, runs): &OfNumber| median(runs.iter().map(value)) / count(*number);
        Goal::at_most(
            format!(
                "{figure} for each of {} of kind {} ÷ that of {}",
                many.0,
                kind.name(),
                few.0
            ),
            each(many) / each(few),
            LINEAR,
            Unit::Times,
        )
    })
}

struct Stage {
    crowd: Crowd,
    redis: Redis,
    length: Duration,
}

impl Stage {
    async fn ours(&self, kind: Kind, number: usize) -> Cost {
        let options = DaemonOptions::default();
        let options = match kind {
            Kind::Tcp => self.crowd.watched(options, number),
            Kind::Redis => {
                let url = format!("redis://127.0.0.1:{}/0", self.redis.port());
                many(options, "redis", std::iter::repeat_n(url, number))
            }
        };
        let daemon = all_up(options).await;
        self.cost(kind, daemon.pid()).await
    }

    async fn haproxy(&self, kind: Kind, number: usize) -> Cost {
        let haproxy = match kind {
            Kind::Tcp => {
                let servers = self.crowd.addresses(number);
                Haproxy::of_many(Check::Connect, servers, "up").await
            }
            Kind::Redis => {
                let server = format!("127.0.0.1:{}", self.redis.port());
                let servers = std::iter::repeat_n(server, number);
                Haproxy::of_many(Check::Redis, servers, "up").await
            }
        };
        self.cost(kind, haproxy.pid()).await
    }

    /// Once the start is over.
    async fn cost(&self, kind: Kind, pid: u32) -> Cost {
        sleep(Duration::from_secs(4)).await;
        self.crowd.take_arrivals();
        let commands = self.commands().await;
        let (before, began) = (processor_seconds(pid), Instant::now());
        sleep(self.length).await;
        let used = processor_seconds(pid) - before;
        let length = began.elapsed();
        let arrivals = self.crowd.take_arrivals();
        // The question itself is one of them.
        let commands = self.commands().await - commands - 1.0;
        let checks = match kind {
            Kind::Tcp => count(arrivals.len()),
            Kind::Redis => commands,
        };
        Cost {
            processor: 100.0 * used / length.as_secs_f64(),
            memory: resident_bytes(pid) / 1e6,
            sockets: sockets(pid),
            checks: checks / length.as_secs_f64(),
            burst: burst(&arrivals, began, length),
        }
    }

    /// Those that Redis has processed since its start.
    async fn commands(&self) -> f64 {
        let said = self.redis.command(&["INFO", "stats"]).await;
        let mut lines = said.lines();
        let line = lines.find_map(|line| line.strip_prefix("total_commands_processed:"));
        line.and_then(|number| number.parse().ok())
            .expect("Redis says it")
    }
}

fn sockets(pid: u32) -> f64 {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs and is ours");
    let is_socket = |file: &std::fs::DirEntry| {
        let target = std::fs::read_link(file.path());
        target.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
    };
    count(files.flatten().filter(is_socket).count())
}

fn burst(arrivals: &[Instant], began: Instant, length: Duration) -> f64 {
    const BIN: Duration = Duration::from_millis(100);

    let mut counts: HashMap<u128, usize> = HashMap::new();
    for arrival in arrivals {
        let bin = arrival.saturating_duration_since(began).as_millis() / BIN.as_millis();
        *counts.entry(bin).or_default() += 1;
    }
    let most = counts.into_values().max().unwrap_or_default();
    let mean = count(arrivals.len()) * BIN.as_secs_f64() / length.as_secs_f64();
    count(most) / mean
}
