//! What it costs to watch few and many.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Effort;
use crate::clients::ready_says;
use crate::contest::alternate;
use crate::crowd::{Crowd, many};
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
    /// The fullest tenth of a second, in times the mean.
    burst: f64,
}

/// The runs with one number of dependencies.
type OfNumber = (usize, Vec<Cost>);
type Costs = Vec<OfNumber>;

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
        grids.push(grid(kind, &costs));
    }
    let [processor, memory] = lines;
    Section {
        about: "So many optional dependencies, each checked every second, with nobody asking for \
                readiness. `tcp` opens a connection for each check, as HAProxy does; `redis` sends \
                PING over a session that stays, where HAProxy connects each time. A burst is the \
                fullest tenth of a second, in times the mean; of fewer than 1,000 it says nothing. HAProxy \
                answers the handshake with a reset, so that no server sees it arrive. \
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
    let mut columns: Vec<Column> = figures
        .iter()
        .flat_map(|figure| CONTESTANTS.map(|contestant| column((contestant, figure))))
        .collect();
    if kind == Kind::Tcp {
        columns.push(column((CONTESTANTS[0], &("burst", Unit::Times, |_| 0.0))));
    }
    let [ours, theirs] = costs;
    let row = |((number, ours), (_, theirs)): (&OfNumber, &OfNumber)| {
        let cells = figures
            .iter()
            .flat_map(|(_, _, value)| [ours, theirs].map(|runs| runs.iter().map(value).collect()));
        let mut cells: Vec<Vec<f64>> = cells.collect();
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
        let daemon = options.serve().await;
        ready_says(&daemon, Duration::from_millis(100), |document| {
            document["status"] == "ok"
        })
        .await;
        self.cost(daemon.pid(), number).await
    }

    async fn haproxy(&self, kind: Kind, number: usize) -> Cost {
        let haproxy = match kind {
            Kind::Tcp => Haproxy::of_many(Check::Connect, self.crowd.addresses(number)).await,
            Kind::Redis => {
                let server = format!("127.0.0.1:{}", self.redis.port());
                Haproxy::of_many(Check::Redis, std::iter::repeat_n(server, number)).await
            }
        };
        self.cost(haproxy.pid(), number).await
    }

    /// Once the start is over.
    async fn cost(&self, pid: u32, number: usize) -> Cost {
        sleep(Duration::from_secs(4)).await;
        self.crowd.take_arrivals();
        let (before, began) = (processor_seconds(pid), Instant::now());
        sleep(self.length).await;
        let used = processor_seconds(pid) - before;
        let processor = 100.0 * used / began.elapsed().as_secs_f64();
        let arrivals = self.crowd.take_arrivals();
        Cost {
            processor,
            memory: resident_bytes(pid) / 1e6,
            sockets: sockets(pid),
            burst: burst(&arrivals, began, self.length, number),
        }
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

fn burst(arrivals: &[Instant], began: Instant, length: Duration, number: usize) -> f64 {
    const BIN: Duration = Duration::from_millis(100);

    let bins = usize::try_from(length.as_millis() / BIN.as_millis()).expect("it is short");
    let mut counts = vec![0_usize; bins];
    for arrival in arrivals {
        let place = arrival.saturating_duration_since(began).as_millis() / BIN.as_millis();
        if let Some(bin) = usize::try_from(place)
            .ok()
            .and_then(|place| counts.get_mut(place))
        {
            *bin += 1;
        }
    }
    let most = counts.into_iter().max().unwrap_or_default();
    count(most) / (count(number) * BIN.as_secs_f64())
}
