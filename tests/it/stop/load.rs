//! Clients that go on until they are cut off.

use std::time::Duration;

use hyper::Method;
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::case::{Case, Stage};
use crate::support::caller::Caller;
use crate::support::ledger::Ledger;
use crate::support::{Daemon, within};

/// Before a write is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// Everyone who uses a daemon until it is gone.
pub(super) struct Load {
    writers: JoinSet<Ledger>,
    readers: JoinSet<()>,
}

impl Load {
    pub(super) async fn begin(case: &Case, daemon: &Daemon) -> Self {
        let planner = Caller::new(daemon, "planner");
        let (rows, shares) = match case.stage {
            Stage::BulkLoad => (2_000, [1.0, 0.3]),
            _ => (200, [0.1, 0.1]),
        };
        let mut load = Self {
            writers: JoinSet::new(),
            readers: JoinSet::new(),
        };
        let mut versions = Vec::new();
        for (year, share) in (2026..).zip(shares) {
            let ledger = Ledger::open(&planner, year).await;
            versions.push(ledger.version().to_owned());
            let chance = case.chance(u64::from(year));
            load.writers.spawn(write(ledger, chance, rows, share));
        }
        if case.stage == Stage::Drain {
            let dawdler = dawdle(planner.clone(), daemon.api(), versions[0].clone());
            load.readers.spawn(dawdler);
        }
        load.readers.spawn(read(planner, versions, case.chance(1)));
        load
    }

    /// What the writers were promised, once everyone was cut off.
    pub(super) async fn ended(self) -> Vec<Ledger> {
        within("the readers are cut off", self.readers.join_all()).await;
        within("the writers are cut off", self.writers.join_all()).await
    }
}

async fn write(mut ledger: Ledger, mut chance: SmallRng, rows: usize, share: f64) -> Ledger {
    loop {
        match ledger.write(&mut chance, rows, share).await {
            Some(200..=299) => {}
            // It is on its way to another database, or out.
            Some(503) => sleep(PAUSE).await,
            None => return ledger,
            Some(code) => panic!("a write was answered {code}"),
        }
    }
}

async fn read(caller: Caller, versions: Vec<String>, mut chance: SmallRng) {
    loop {
        let version = &versions[chance.random_range(0..versions.len())];
        let path = match chance.random_range(0..3) {
            0 => format!("/budget-versions/{version}/lines"),
            1 => format!("/consolidation/{version}/summary"),
            _ => format!("/consolidation/{version}/statements/income"),
        };
        match caller.try_send(Method::GET, &path, "").await {
            Ok(answer) => assert!(
                matches!(answer.code, 200 | 503),
                "{path}: {} {}",
                answer.code,
                answer.body
            ),
            Err(_) => return,
        }
    }
}

/// Sends a body so slowly that nobody can wait for its end.
async fn dawdle(caller: Caller, port: u16, version: String) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let (name, value) = &caller.headers()[0];
    let head = format!(
        "POST /api/v1/budget-versions/{version}/lines HTTP/1.1\r\nhost: localhost\r\n{name}: {value}\r\n\
         content-type: application/json\r\ncontent-length: 100000\r\n\r\n"
    );
    let mut sent = stream.write_all(head.as_bytes()).await;
    while sent.is_ok() {
        sleep(Duration::from_millis(20)).await;
        sent = stream.write_all(b" ").await;
    }
}
