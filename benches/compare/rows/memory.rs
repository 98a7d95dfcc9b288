//! What memory holds while nothing happens, with and without clients.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::Effort;
use crate::clients::overall;
use crate::contest::alternate;
use crate::goal::Goal;
use crate::machine::resident_bytes;
use crate::peers::{Room, Web};
use crate::plot::Plot;
use crate::section::Section;
use crate::statistics::{count, median};
use crate::support::{Daemon, client, find};
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
            let roomy = trio
                .options()
                .variable("BUDGETD__API__MAX_CONNECTIONS", "12000");
            let (idle, resident) = idle(&ours(&trio.watched().await)).await;
            let roomy = roomy.serve().await;
            overall(&roomy, "ok").await;
            let crowded = crowded(&ours(&roomy), roomy.api(), clients).await;
            Taken {
                idle,
                crowded,
                resident,
            }
        }
        1 => of_peer(clients, |room| Web::nginx(2, &body, room)).await,
        _ => of_peer(clients, |room| Web::haproxy(&body, room)).await,
    })
    .await;
    let mut at_rest = Table::new("idle, all processes together", Unit::Megabytes);
    let mut taken = Table::new(format!("with {clients} idle clients"), Unit::Megabytes);
    let mut each = Table::new("more for each client", Unit::Kilobytes);
    for (name, runs) in NAMES.iter().zip(&runs) {
        at_rest = at_rest.with(*name, runs.iter().map(|run| run.idle));
        taken = taken.with(*name, runs.iter().map(|run| run.crowded));
        let more = |run: &Taken| (run.crowded - run.idle) * 1e3 / count(clients);
        each = each.with(*name, runs.iter().map(more));
    }
    let sizes = [
        PathBuf::from(env!("CARGO_BIN_EXE_budgetd")),
        find("nginx", "nginx-light"),
        find("haproxy", "haproxy"),
    ];
    let names = ["budgetd", "nginx", "HAProxy"];
    let size = names.into_iter().zip(sizes).fold(
        Table::new("size of the program", Unit::Megabytes),
        |table, (name, program)| table.with(name, [megabytes(&program)]),
    );
    let resident = median(runs[0].iter().map(|run| run.resident));
    Section {
        about: format!(
            "The proportional set size (`Pss`) of all processes, so that what workers share counts \
             once; budgetd watches its three dependencies. Idle, everyone has the number of clients \
             that it is set up for by itself; then another one, set up for {clients}, has as many, \
             which ask once and stay. So what a server takes at once for all that may come is \
             counted with the clients. Resident memory is `VmRSS` of the one process. The \
             program of budgetd has its libraries in it, but for those of C; those of the others, \
             which lie beside them, are not counted."
        ),
        goals: vec![
            Goal::below("resident memory, idle", resident, 15.0, Unit::Megabytes),
            Goal::below(
                "more for each client",
                each.ours().median(),
                8.0,
                Unit::Kilobytes,
            ),
            Goal::below(
                "size of the program, stripped",
                size.ours().median(),
                12.0,
                Unit::Megabytes,
            ),
        ],
        plots: vec![Plot::bars("memory", &taken)],
        tables: vec![at_rest, taken, each, size],
        ..Section::default()
    }
}

fn ours(daemon: &Daemon) -> [Pid; 1] {
    let pid = i32::try_from(daemon.pid()).expect("it is one");
    [Pid::from_raw(pid).expect("it is one")]
}

/// One after the other: two at a time would share what each has to itself.
async fn of_peer(clients: usize, start: impl Fn(Room) -> Web) -> Taken {
    let usual = start(Room::Default).ready().await;
    let (idle, resident) = idle(&usual.pids()).await;
    drop(usual);
    let roomy = start(Room::Clients(clients)).ready().await;
    Taken {
        idle,
        crowded: crowded(&roomy.pids(), roomy.port(), clients).await,
        resident,
    }
}

/// The share of all processes, and what is resident of the first.
async fn idle(pids: &[Pid]) -> (f64, f64) {
    sleep(REST).await;
    (share(pids), resident(pids[0]))
}

async fn crowded(pids: &[Pid], port: u16, clients: usize) -> f64 {
    let mut connections = Vec::new();
    for _ in 0..clients {
        connections.push(connect(port).await);
    }
    sleep(REST).await;
    share(pids)
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

fn megabytes(program: &Path) -> f64 {
    let size = std::fs::metadata(program).expect("it was found").len();
    count(usize::try_from(size).expect("it fits into memory")) / 1e6
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
