//! What orchestration costs a request: budgetd beside its own handlers without
//! it, and beside a handler as one writes it down first.

use std::process::Command;
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
use crate::support::{Daemon, Postgres, Redis, find};
use crate::swarm::{Asked, CONNECTIONS, Outcome, Until, Work, run};
use crate::table::Table;
use crate::unit::Unit;

const OURS: &str = "budgetd";
const BARE: &str = "its handlers alone, under `axum::serve`";
const PLAIN: &str = "a plain handler: no token, no limit";
const NAMES: [&str; 3] = [OURS, BARE, PLAIN];
/// Uncached, each is asked for by one client, so that no two can share what is
/// computed.
const VERSIONS: u16 = 16;

pub(crate) async fn measure(effort: Effort) -> Section {
    let database = database().await;
    let (redis, mut lost) = (Redis::start().await, Redis::start().await);
    let up = daemon(&database).cache(&redis.url()).serve().await;
    let without = daemon(&database).cache(&lost.url()).serve().await;
    lost.kill().await;
    overall(&up, "ok").await;
    overall(&without, "degraded").await;
    let paths = prepare(&up, &database, effort.of(20_000, 200)).await;
    let bare = Api::bare(&database, &redis.url()).await;
    let bare_without = Api::bare(&database, "").await;
    let plain = Api::plain(&database).await;
    let asked = [Asked::from(&up), bare.asked(), plain.asked()];
    let asked_without = [Asked::from(&without), bare_without.asked(), plain.asked()];

    let length = effort.of(Duration::from_secs(2), Duration::from_millis(500));
    let rounds = effort.of(11, 1);
    let hits = alternate(3, rounds, async |one| {
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
    let floor = floors(&database, &redis, &paths, effort);

    let (rates, p50, p99) = tables("cached", &hits);
    let lost = 100.0 * (1.0 - rates.ours().median() / rates.of(BARE).median());
    let more = 1e3 * (p50.ours().median() - p50.of(BARE).median());
    let plots = vec![Plot::bars("summary", &rates)];
    let mut all = vec![rates, p50, p99];
    for (what, runs) in [
        ("Redis killed, cached in the process", &down),
        ("uncached", &misses),
    ] {
        let (rates, p50, p99) = tables(what, runs);
        all.extend([rates, p50, p99]);
    }
    all.push(floor);
    Section {
        about: format!(
            "The summary of a version of 20,000 lines over {CONNECTIONS} connections. Each request \
             brings a token, is counted, and learns the version's revision from Postgres; what is \
             cached is found under that. The second contestant is the same code without supervisor, \
             gate, admission, deadlines and metrics: the difference is what orchestration costs. \
             The third asks Postgres the same questions over connections of its own, and does \
             nothing else. pgbench asks for the revision alone."
        ),
        goals: vec![
            Goal::below(
                "throughput lost to orchestration, cached",
                lost,
                3.0,
                Unit::Percent,
            ),
            Goal::below("more at p50, cached", more, 20.0, Unit::Microseconds),
        ],
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

fn tables(what: &str, runs: &[Vec<Outcome>]) -> (Table, Table, Table) {
    let table = |figure: &str, unit: Unit, value: &dyn Fn(&Outcome) -> f64| {
        NAMES.into_iter().zip(runs).fold(
            Table::new(format!("{what}: {figure}"), unit),
            |table, (name, runs)| table.with(name, runs.iter().map(value)),
        )
    };
    (
        table("requests a second", Unit::PerSecond, &Outcome::rate),
        table("p50", Unit::Milliseconds, &|run| run.latency(50)),
        table("p99", Unit::Milliseconds, &|run| run.latency(99)),
    )
}

/// What the servers behind can do at most.
fn floors(database: &Postgres, redis: &Redis, paths: &[String], effort: Effort) -> Table {
    let id = paths[0].rsplit('/').nth(1).expect("it names a version");
    let script = tempfile::NamedTempFile::new().expect("the folder is writable");
    let sql = format!(
        "SELECT id, organization_id, revision_token FROM budgetd.budget_versions WHERE id = '{id}';\n"
    );
    std::fs::write(script.path(), sql).expect("the folder is writable");
    let seconds = effort.of("3", "1");
    let clients = CONNECTIONS.to_string();
    let mut table = Table::new("the floor: questions a second", Unit::PerSecond);
    for _ in 0..effort.of(3, 1) {
        let said = output(
            Command::new(find("pgbench", "postgresql-contrib"))
                .args([
                    "--no-vacuum",
                    "--jobs=2",
                    "--client",
                    &clients,
                    "--time",
                    seconds,
                    "--file",
                ])
                .arg(script.path())
                .arg(database.url()),
        );
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        table = table.and("pgbench, the revision", rate.expect("pgbench says it"));
        let port = redis.port().to_string();
        let said = output(
            Command::new(find("redis-benchmark", "redis-tools"))
                .args(["-p", &port, "-t", "get", "-c", &clients, "-n"])
                .args([effort.of("200000", "20000"), "--csv"]),
        );
        let rate = said.lines().find_map(|line| {
            line.strip_prefix("\"GET\",\"")?
                .split('"')
                .next()?
                .parse()
                .ok()
        });
        table = table.and(
            "redis-benchmark, GET",
            rate.expect("redis-benchmark says it"),
        );
    }
    table
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
