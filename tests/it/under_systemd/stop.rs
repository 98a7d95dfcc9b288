//! `systemctl stop` under load.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Machine, UNIT};
use crate::support::caller::{Caller, below};
use crate::support::{DaemonOptions, PATIENCE, Postgres, Redis, client, wait, within};

/// Reads and writes over new connections, until whoever watches the readiness
/// takes the instance out, as a balancer would.
struct Load {
    workers: JoinSet<Vec<u16>>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    fn start(machine: &Machine, planner: &Caller, version: &Value) -> Self {
        let api = machine.options.api_port();
        let (taken_out, watched) = watch::channel(false);
        let answered = Arc::<AtomicUsize>::default();
        let mut workers = JoinSet::new();
        for number in 0..4 {
            let (planner, watched) = (planner.clone(), watched.clone());
            let answered = answered.clone();
            let lines = below(version, "/lines");
            workers.spawn(async move {
                let mut codes = Vec::new();
                while !*watched.borrow() {
                    let line = json!({
                        "account_code": format!("7{number}{:04}", codes.len()),
                        "account_name": "Compte", "category": "revenue_fees",
                        "period": "p1", "amount_sar": "1.00"
                    });
                    codes.push(planner.get(&lines).await.code);
                    codes.push(planner.post(&lines, line).await.code);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                codes
            });
        }
        workers.spawn(async move {
            while client::get(api, "/health/ready").await.unwrap().code == 200 {}
            taken_out.send_replace(true);
            Vec::new()
        });
        Self { workers, answered }
    }

    async fn flow(&self) {
        wait::until("requests are answered", PATIENCE, async || {
            (self.answered.load(Ordering::Relaxed) >= 20).then_some(())
        })
        .await;
    }

    async fn finish(self) -> Vec<u16> {
        within("the load ends", self.workers.join_all())
            .await
            .concat()
    }
}

/// A request whose body is still on its way.
struct Upload(TcpStream);

const CSV: &str = "account_code,account_name,category,period,amount_sar\n\
                   700000,Compte,revenue_fees,p1,1.00\n";

impl Upload {
    async fn begin(planner: &Caller, port: u16, version: &Value) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut head = format!(
            "POST /api/v1{} HTTP/1.1\r\nhost: t\r\n",
            below(version, "/lines")
        );
        for (name, value) in planner.headers() {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        let length = CSV.len();
        write!(
            head,
            "content-type: text/csv\r\ncontent-length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&CSV.as_bytes()[..1]).await.unwrap();
        Self(stream)
    }

    async fn finish(mut self) -> String {
        self.0.write_all(&CSV.as_bytes()[1..]).await.unwrap();
        client::rest(&mut self.0).await
    }
}

#[tokio::test]
async fn it_takes_as_long_as_the_daemon_said_and_no_request_fails() {
    let (database, redis) = (Postgres::start().await, Redis::start().await);
    let options = DaemonOptions::default()
        .brisk()
        .database(&database.url())
        .cache(&redis.url())
        .tokens()
        .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "1000000")
        .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "1000000")
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "2s");
    let machine = Machine::boot(options);
    // Less than the drain takes: what the daemon promises counts.
    machine.edit(UNIT, "[Service]\nTimeoutStopSec=1s").await;
    machine.start().await;
    let planner = Caller::at(machine.options.api_port()).role("planner");
    let versions = [
        planner.create("Budget", 2026).await,
        planner.create("Another", 2027).await,
    ];
    let load = Load::start(&machine, &planner, &versions[0]);
    let upload = Upload::begin(&planner, machine.options.api_port(), &versions[1]).await;

    load.flow().await;
    let stopping = machine.must(&["systemctl", "stop", UNIT]);
    let looking = async {
        machine.until_sentence("draining: still serving for ").await;
        let codes = load.finish().await;
        let failed: Vec<_> = codes
            .iter()
            .filter(|code| !(200..300).contains(*code))
            .collect();
        assert!(failed.is_empty(), "{failed:?} of {}", codes.len());
        // The door is closed, and who is in is waited for.
        machine
            .until_sentence("draining: finishing requests, ")
            .await;
        assert!(machine.get("/health").await.is_err());
        let answer = upload.finish().await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    };
    tokio::join!(stopping, looking);

    assert_eq!(machine.property("Result").await, "success");
    assert_eq!(machine.property("ExecMainStatus").await, "0");
    let drained = machine.until_event("drain_complete").await;
    assert_eq!(drained["drain_timeout_exceeded"], 0);
}
