//! What the servers behind the API can do at most.

use std::path::PathBuf;
use std::process::Command;

use crate::Effort;
use crate::support::{Postgres, Redis, find, postgres_program};
use crate::swarm::CONNECTIONS;
use crate::table::Table;

/// Of the benchmark alone: budgetd's keys begin otherwise.
const KEY: &str = "floor";

/// Adds them to the rates of budgetd: how often Postgres tells a version's
/// revision, and Redis a value as long as the summary.
pub(super) async fn add(
    mut table: Table,
    (database, version): (&Postgres, &str),
    (redis, length): (&Redis, usize),
    effort: Effort,
) -> Table {
    let script = tempfile::NamedTempFile::new().expect("the folder is writable");
    let sql = format!(
        "SELECT id, organization_id, revision_token FROM budgetd.budget_versions \
         WHERE id = '{version}';\n"
    );
    std::fs::write(script.path(), sql).expect("the folder is writable");
    let kept = redis.command(&["SET", KEY, &"x".repeat(length)]).await;
    assert!(kept.starts_with("+OK"), "{kept}");
    let clients = CONNECTIONS.to_string();
    let (port, pgbench) = (redis.port().to_string(), postgres_program("pgbench"));
    for _ in 0..effort.of(3, 1) {
        let mut asked = Command::new(&pgbench);
        asked
            .args(["--no-vacuum", "--jobs=2", "--client", &clients])
            .args(["--time", effort.of("3", "1"), "--file"])
            .arg(script.path())
            .arg(database.url());
        table = table.and("pgbench, the revision", rate(asked, "tps = ", ' '));
        let mut asked = Command::new(redis_benchmark());
        asked
            .args(["-p", &port, "-c", &clients, "--csv", "-n"])
            .args([effort.of("200000", "20000"), "GET", KEY]);
        let begin = format!("\"GET {KEY}\",\"");
        table = table.and("redis-benchmark, GET", rate(asked, &begin, '"'));
    }
    let gone = redis.command(&["DEL", KEY]).await;
    assert!(gone.starts_with(":1"), "the key was not there: {gone}");
    table
}

fn redis_benchmark() -> PathBuf {
    find("redis-benchmark", "redis-tools")
}

/// The number that stands between `begin` of a line and `end`.
fn rate(mut command: Command, begin: &str, end: char) -> f64 {
    let output = command.output().expect("it can be started");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let line = said.lines().find_map(|line| line.strip_prefix(begin));
    let number = line.and_then(|rest| rest.split(end).next()?.parse().ok());
    number.unwrap_or_else(|| panic!("it says no rate: {said}"))
}
