//! What the figures were measured on, and what a process takes of it.

use std::process::Command;

use crate::clients;
use crate::support::{Postgres, Redis};

/// `programs`: those beside Postgres and Redis, each with the argument that
/// makes it say which version it is.
pub(crate) async fn description(programs: &[(&str, &str)]) -> String {
    // Of the machine: this process may keep to fewer.
    let cores = read("/proc/cpuinfo").matches("\nprocessor").count() + 1;
    let cpu = cpu_model().unwrap_or_else(|| "unknown".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let postgres = postgres_version().await;
    let redis = redis_version().await;
    let programs = programs.iter().copied().chain([("rustc", "--version")]);
    let programs: Vec<String> = programs
        .map(|(program, argument)| version(program, argument))
        .collect();
    let programs = programs.join(", ");
    format!(
        "{today}: {cores} cores ({cpu}), Linux {kernel}, everything on the loopback address; \
         Postgres {postgres}, Redis {redis}, {programs}."
    )
}

/// `utime` and `stime` of proc(5), of all threads that live or lived.
pub(crate) fn processor_seconds(pid: u32) -> f64 {
    /// Linux counts so for every program, whatever its own clock.
    const TICKS_PER_SECOND: f64 = 100.0;

    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // The name before the bracket may hold blanks.
    let (_, fields) = stat.rsplit_once(')').expect("the kernel writes it so");
    let ticks: f64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<f64>().expect("a number"))
        .sum();
    ticks / TICKS_PER_SECOND
}

/// `VmRSS` of proc(5).
pub(crate) fn resident_bytes(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    let kibibytes: f64 = line
        .and_then(|number| number.trim().parse().ok())
        .expect("the kernel tells it");
    kibibytes * 1024.0
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

/// The name of a program and the first number that it says.
fn version(program: &str, argument: &str) -> String {
    // Where Debian keeps servers, and not everyone looks.
    let elsewhere = format!("/usr/sbin/{program}");
    let said = [program, &elsewhere].into_iter().find_map(|candidate| {
        let output = Command::new(candidate).arg(argument).output().ok()?;
        // nginx says it to stderr.
        let text = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&text).into_owned())
    });
    let said = said.unwrap_or_default();
    let mut words = said.split(|c: char| c.is_whitespace() || c == '/');
    let number = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    format!("{program} {}", number.unwrap_or("unknown"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
