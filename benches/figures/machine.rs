//! What the figures were measured on.

use std::process::Command;

use crate::clients;
use crate::support::{Postgres, Redis};

pub(crate) async fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = cpu_model().unwrap_or_else(|| "unknown".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let postgres = postgres_version().await;
    let redis = redis_version().await;
    let pooler = first_line("pgbouncer", "--version");
    let compiler = first_line("rustc", "--version");
    format!(
        "{today}: {cores} cores ({cpu}), Linux {kernel}, everything on the loopback address; \
         Postgres {postgres}, Redis {redis}, {pooler}, {compiler}."
    )
}

fn cpu_model() -> Option<String> {
    let info = read("/proc/cpuinfo");
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

async fn postgres_version() -> String {
    let server = Postgres::start().await;
    let version = clients::query(server.port(), "SHOW server_version").await;
    let version = version.expect("it answered before");
    // Packagers add their own after it.
    version.split(' ').next().unwrap_or_default().to_owned()
}

async fn redis_version() -> String {
    let server = Redis::start().await;
    let answer = server.command(&["INFO", "server"]).await;
    let version = answer
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"));
    version.unwrap_or("unknown").to_owned()
}

fn first_line(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map_or_else(
        |_| format!("{program} unknown"),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    text.lines().next().unwrap_or_default().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
