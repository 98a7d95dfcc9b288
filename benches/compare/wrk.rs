//! The load generator of the field, and what it says.

use std::time::Duration;

use tokio::process::Command;

use crate::support::find;

/// So many connections ask at the same time.
pub(crate) const CONNECTIONS: usize = 32;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Polls {
    /// All of them.
    pub(crate) answers: f64,
    /// Answers a second.
    pub(crate) rate: f64,
    pub(crate) p99: f64,
    /// Answers with a code of neither 2xx nor 3xx.
    pub(crate) refused: f64,
    /// Answers that took longer than wrk counts as one, which is two seconds.
    pub(crate) late: f64,
}

/// Asks for `path`, which must be answered with 200 each time, over connections
/// that stay open, or each time over a new one.
pub(crate) async fn poll(port: u16, path: &str, length: Duration, stay: bool) -> Polls {
    let polls = poll_whatever_comes(port, path, length, stay).await;
    assert!(
        polls.refused == 0.0,
        "{} polls of port {port} were refused",
        polls.refused
    );
    polls
}

/// The same whatever the code of the answers.
pub(crate) async fn poll_whatever_comes(
    port: u16,
    path: &str,
    length: Duration,
    stay: bool,
) -> Polls {
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
    let lines = || said.lines().map(str::trim);
    let value = |name: &str| {
        let line = lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    let number = |text: &str| text.parse::<f64>().ok();
    let errors = |kind: &str| {
        let all = value("Socket errors:").unwrap_or_default();
        let mut each = all.split(", ");
        each.find_map(|one| number(one.strip_prefix(kind)?.trim()))
            .unwrap_or_default()
    };
    // Answers that were cut are no answers.
    for kind in ["connect", "read", "write"] {
        let count = errors(kind);
        assert!(count == 0.0, "wrk lost {count} connections at {kind}");
    }
    let total = lines().find_map(|line| line.split_once(" requests in "));
    Some(Polls {
        answers: number(total?.0)?,
        rate: number(value("Requests/sec:")?)?,
        p99: milliseconds(value("99%")?)?,
        // The line is there only if there were some.
        refused: value("Non-2xx or 3xx responses:").map_or(Some(0.0), number)?,
        late: errors("timeout"),
    })
}

fn milliseconds(text: &str) -> Option<f64> {
    // The longer names first: all of them end with an `s`.
    [("us", 1e-3), ("ms", 1.0), ("s", 1e3)]
        .into_iter()
        .find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}
