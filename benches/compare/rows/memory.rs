//! What memory holds while nothing happens, with and without clients.

use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::Effort;
use crate::contest::alternate;
use crate::goal::Goal;
use crate::machine::resident_bytes;
use crate::peers::Web;
use crate::plot::Plot;
use crate::section::Section;
use crate::statistics::{count, median};
use crate::support::client;
use crate::table::Table;
use crate::trio::Trio;
use crate::unit::Unit;

/// In which whatever is late at the start, or after a crowd has come, is done.
const REST: Duration = Duration::from_secs(2);
const NAMES: [&str; 3] = ["budgetd", "nginx, 2 workers", "HAProxy"];

#[derive(Debug, Clone, Copy)]
struct Taken {
    /// The proportional share of every page, of all its processes; in MB.
    idle: f64,
    crowded: f64,
    /// Every page of the first process, in MB.
    resident: f64,
}

pub(crate) async fn measure(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let clients = effort.of(10_000, 200);
    let sample = trio.watched().await;
    let document = client::get(sample.api(), "/health/ready").await;
    let body = "x".repeat(document.expect("it serves").bytes.len());
    drop(sample);
    let runs = alternate(3, effort.of(5, 1), async |contestant| match contestant {
        0 => {
            let options = trio
                .options()
                .variable("BUDGETD__API__MAX_CONNECTIONS", "12000");
            let daemon = options.serve().await;
            let pid = i32::try_from(daemon.pid()).expect("it is one");
            let pids = [Pid::from_raw(pid).expect("it is one")];
            taken(&pids, daemon.api(), clients).await
        }
        1 => {
            let nginx = Web::nginx(2, &body).ready().await;
            taken(&nginx.pids(), nginx.port(), clients).await
        }
        _ => {
            let haproxy = Web::haproxy(&body).ready().await;
            taken(&haproxy.pids(), haproxy.port(), clients).await
        }
    })
    .await;
    let mut idle = Table::new("idle, all processes together", Unit::Megabytes);
    let mut crowded = Table::new(format!("with {clients} idle clients"), Unit::Megabytes);
    let mut each = Table::new("more for each client", Unit::Kilobytes);
    for (name, runs) in NAMES.iter().zip(&runs) {
        idle = idle.with(*name, runs.iter().map(|run| run.idle));
        crowded = crowded.with(*name, runs.iter().map(|run| run.crowded));
        let more = |run: &Taken| (run.crowded - run.idle) * 1e3 / count(clients);
        each = each.with(*name, runs.iter().map(more));
    }
    let program = Path::new(env!("CARGO_BIN_EXE_budgetd"));
    let size = std::fs::metadata(program).expect("cargo built it").len();
    let size = count(usize::try_from(size).expect("it fits into memory")) / 1e6;
    let resident = median(runs[0].iter().map(|run| run.resident));
    Section {
        about: format!(
            "The proportional set size (`Pss`) of all processes, so that what workers share counts \
             once; budgetd watches its three dependencies. Then {clients} clients connect, ask once \
             and stay. Resident memory is `VmRSS` of the one process."
        ),
        goals: vec![
            Goal::below("resident memory, idle", resident, 15.0, Unit::Megabytes),
            Goal::below(
                "more for each client",
                each.ours().median(),
                8.0,
                Unit::Kilobytes,
            ),
            Goal::below("size of the program, stripped", size, 12.0, Unit::Megabytes),
        ],
        plots: vec![Plot::bars("memory", &crowded)],
        tables: vec![idle, crowded, each],
        ..Section::default()
    }
}

async fn taken(pids: &[Pid], port: u16, clients: usize) -> Taken {
    sleep(REST).await;
    let (idle, resident) = (share(pids), resident(pids[0]));
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(connect(port).await);
    }
    sleep(REST).await;
    Taken {
        idle,
        crowded: share(pids),
        resident,
    }
}

async fn connect(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    let request = b"GET /health/ready HTTP/1.1\r\nhost: budgetd\r\n\r\n";
    stream.write_all(request).await.expect("it is open");
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).await.expect("it answers");
    assert!(answer[..count].starts_with(b"HTTP/1.1 200"), "it has room");
    stream
}

fn resident(pid: Pid) -> f64 {
    resident_bytes(pid.as_raw_nonzero().get().unsigned_abs()) / 1e6
}

/// `Pss` of `proc_pid_smaps_rollup(5)`.
fn share(pids: &[Pid]) -> f64 {
    let of_one = |pid: &Pid| {
        let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
        let text = std::fs::read_to_string(path).expect("it runs and is ours to look at");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Pss:")?.strip_suffix("kB"));
        let kibibytes: f64 = line
            .and_then(|number| number.trim().parse().ok())
            .expect("the kernel tells it");
        kibibytes * 1024.0 / 1e6
    };
    pids.iter().map(of_one).sum()
}
