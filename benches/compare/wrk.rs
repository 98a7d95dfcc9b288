//! The load generator of the field, and what it says.

use std::time::Duration;

use tokio::process::Command;

use crate::support::find;

/// So many connections ask at the same time.
pub(crate) const CONNECTIONS: usize = 32;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Polls {
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p99: f64,
}

/// Asks for `path` over connections that stay open, or each time over a new
/// one.
pub(crate) async fn poll(port: u16, path: &str, length: Duration, stay: bool) -> Polls {
    let mut command = Command::new(find("wrk", "wrk"));
    command
        .args(["-t1", &format!("-c{CONNECTIONS}"), "--latency"])
        .arg(format!("-d{}s", length.as_secs().max(1)));
    if !stay {
        command.args(["-H", "Connection: close"]);
    }
    let output = command
        .arg(format!("http://127.0.0.1:{port}{path}"))
        .kill_on_drop(true)
        .output()
        .await
        .expect("wrk can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    parse(&said).unwrap_or_else(|| panic!("wrk says no figures: {said}"))
}

fn parse(said: &str) -> Option<Polls> {
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(str::trim)
    };
    // Answers that were cut are no answers.
    if let Some(errors) = value("Socket errors:") {
        let broken = errors.split(", ").any(|one| !one.ends_with(" 0"));
        assert!(!broken, "wrk lost connections: {errors}");
    }
    Some(Polls {
        rate: value("Requests/sec:")?.parse().ok()?,
        p99: milliseconds(value("99%")?)?,
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    // The longer names first: all of them end with an `s`.
    [("us", 1e-3), ("ms", 1.0), ("s", 1e3)]
        .into_iter()
        .find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}
