//! What orchestration costs a request: budgetd beside its own handlers without
//! it, and beside a handler as one writes it down first.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::Effort;
use crate::clients::overall;
use crate::contest::alternate;
use crate::goal::Goal;
use crate::peers::Api;
use crate::plot::Plot;
use crate::section::Section;
use crate::stage::{csv, daemon, database, load, summary};
use crate::support::caller::Caller;
use crate::support::{Daemon, Postgres, Redis};
use crate::swarm::{Asked, CONNECTIONS, Outcome, Until, Work, run};
use crate::table::Table;
use crate::unit::Unit;

mod floor;

const OURS: &str = "budgetd";
const BARE: &str = "its handlers alone, under `axum::serve`";
const PLAIN: &str = "a plain handler: no token, no limit";
/// The others write no line for each request either.
const SILENT: &str = "budgetd, log level `warn`";
const NAMES: [&str; 4] = [OURS, BARE, PLAIN, SILENT];
/// Uncached, each is asked for by one client, so that no two can share what is
/// computed.
const VERSIONS: u16 = 16;

pub(crate) async fn measure(effort: Effort) -> Section {
    let lines = effort.of(20_000, 200);
    let database = database().await;
    let (redis, mut lost) = (Redis::start().await, Redis::start().await);
    let up = daemon(&database).cache(&redis.url()).serve().await;
    let silent = daemon(&database).variable("BUDGETD__LOG__LEVEL", "warn");
    // It does not say when it serves.
    let silent = silent.cache(&redis.url()).start();
    let without = daemon(&database).cache(&lost.url()).serve().await;
    lost.kill().await;
    overall(&up, "ok").await;
    overall(&silent, "ok").await;
    overall(&without, "degraded").await;
    let paths = prepare(&up, &database, lines).await;
    let bare = Api::bare(&database, &redis.url()).await;
    let bare_without = Api::bare(&database, "").await;
    let plain = Api::plain(&database).await;
    let asked = [
        Asked::from(&up),
        bare.asked(),
        plain.asked(),
        Asked::from(&silent),
    ];
    let asked_without = [Asked::from(&without), bare_without.asked(), plain.asked()];

    let length = effort.of(Duration::from_secs(2), Duration::from_millis(500));
    let rounds = effort.of(11, 1);
    let hits = alternate(NAMES.len(), rounds, async |one| {
        same(asked[one], &paths, length).await
    })
    .await;
    let down = alternate(3, rounds, async |one| {
        same(asked_without[one], &paths, length).await
    })
    .await;
    let misses = alternate(3, effort.of(5, 1), async |one| {
        renewed(asked[one], &database, &paths, effort.of(8, 1)).await
    })
    .await;
    let version = paths[0].rsplit('/').nth(1).expect("it names a version");
    let path = paths[0].strip_prefix("/api/v1").expect("it is of the API");
    let body = Caller::new(&up, "viewer").get(path).await.bytes.len();

    let (mut goals, mut all, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for (what, runs) in [
        ("cached", &hits),
        ("Redis killed, cached in the process", &down),
        ("uncached", &misses),
    ] {
        let figures = Figures::of(what, runs);
        for name in [OURS, SILENT].into_iter().filter(|name| figures.know(name)) {
            goals.extend(figures.goals(what, name, BARE));
            goals.extend(figures.goals(what, name, PLAIN));
        }
        others.push(otherwise(what, runs));
        all.extend([figures.rates, figures.p50, figures.p99]);
    }
    let plots = vec![Plot::bars("summary", &all[0])];
    let ours = Table::new("the floor: requests or questions a second", Unit::PerSecond)
        .with(OURS, all[0].ours().values.iter().copied());
    all.push(floor::add(ours, (&database, version), (&redis, body), effort).await);
    Section {
        about: format!(
            "The summary of a version of {lines} lines over {CONNECTIONS} connections. Each request \
             brings a token, is counted, and learns the version's revision from Postgres; what is \
             cached is found under that. The second contestant is the same code without supervisor, \
             gate, admission, metrics and the front with its deadlines of connections and requests; \
             those of statements and of the pool it has too. The difference is what orchestration \
             costs. The third sends the two statements of a summary over {} connections of its own, \
             each by itself and outside of any transaction, where budgetd asks once for all who \
             want a revision at the same moment, and reads in a transaction; it looks at no token, \
             counts nothing, has no deadline, and writes a shorter document. Neither of them writes a \
             line to the log for each request, as budgetd does unless its level is `warn`. Answers that came from \
             elsewhere than from where they should, by `X-Cache`, of each contestant: {}. pgbench \
             asks for the revision alone, redis-benchmark for a value as long as the summary.",
            Api::PLAIN_CONNECTIONS,
            others.join("; "),
        ),
        goals,
        plots,
        tables: all,
        ..Section::default()
    }
}

/// Makes the versions and answers with the paths of their summaries.
async fn prepare(daemon: &Daemon, database: &Postgres, lines: usize) -> Arc<[String]> {
    let caller = Caller::new(daemon, "admin");
    let csv = csv(lines);
    let mut paths = Vec::new();
    for year in 2020..2020 + VERSIONS {
        let version: Value = caller.create("Large", year).await;
        load(&caller, &version, &csv).await;
        paths.push(summary(version["id"].as_str().expect("it has an id")));
    }
    database.execute("VACUUM ANALYZE").await;
    paths.into()
}

/// Everyone asks for one and the same summary, again and again.
async fn same(asked: Asked, paths: &[String], length: Duration) -> Outcome {
    let work = |until, expected| Work {
        paths: Arc::from([paths[0].clone()]),
        until,
        expected,
    };
    // Whoever has not computed it yet does so now.
    run(asked, work(Until::Over(Duration::from_millis(200)), None)).await;
    run(asked, work(Until::Over(length), Some("hit"))).await
}

/// The triggers renew the revisions of all versions; then, while the clock
/// runs, each is asked for once, all at the same time.
async fn renewed(
    asked: Asked,
    database: &Postgres,
    paths: &Arc<[String]>,
    times: usize,
) -> Outcome {
    let mut outcome = Outcome::default();
    for _ in 0..times {
        let renew = "UPDATE budgetd.budget_versions SET notes = notes WHERE name = 'Large'";
        database.execute(renew).await;
        let work = Work {
            paths: paths.clone(),
            until: Until::Done,
            expected: Some("miss"),
        };
        outcome.add(run(asked, work).await);
    }
    outcome
}

struct Figures {
    rates: Table,
    p50: Table,
    p99: Table,
}

impl Figures {
    fn of(what: &str, runs: &[Vec<Outcome>]) -> Self {
        let table = |figure: &str, unit: Unit, value: &dyn Fn(&Outcome) -> f64| {
            NAMES.into_iter().zip(runs).fold(
                Table::new(format!("{what}: {figure}"), unit),
                |table, (name, runs)| table.with(name, runs.iter().map(value)),
            )
        };
        Self {
            rates: table("requests a second", Unit::PerSecond, &Outcome::rate),
            p50: table("p50", Unit::Milliseconds, &|run| run.latency(50)),
            p99: table("p99", Unit::Milliseconds, &|run| run.latency(99)),
        }
    }

    fn know(&self, name: &str) -> bool {
        let mut series = self.rates.series.iter();
        series.any(|one| one.contestant == name)
    }

    /// What it may cost not to be this contestant.
    fn goals(&self, what: &str, name: &str, peer: &str) -> [Goal; 2] {
        let (ours, theirs) = (self.rates.of(name).median(), self.rates.of(peer).median());
        let more = 1e3 * (self.p50.of(name).median() - self.p50.of(peer).median());
        [
            Goal::below(
                format!("{what}: {name}: throughput lost against {peer}"),
                100.0 * (1.0 - ours / theirs),
                3.0,
                Unit::Percent,
            ),
            Goal::below(
                format!("{what}: {name}: more at p50 than {peer}"),
                more,
                20.0,
                Unit::Microseconds,
            ),
        ]
    }
}

/// How many answers of each contestant were not what they should be.
fn otherwise(what: &str, runs: &[Vec<Outcome>]) -> String {
    let of = |runs: &Vec<Outcome>| {
        let others: usize = runs.iter().map(|run| run.others).sum();
        let all: usize = runs.iter().map(|run| run.latencies.len()).sum();
        format!("{others} of {all}")
    };
    let each: Vec<String> = runs.iter().map(of).collect();
    format!("{what} {}", each.join(", "))
}
