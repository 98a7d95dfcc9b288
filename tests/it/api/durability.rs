//! What a daemon that is killed leaves behind.

use std::fmt::Write;
use std::time::Duration;

use hyper::Method;
use rustix::process::Signal;
use serde_json::json;

use crate::support::caller::{Caller, below};
use crate::support::{DaemonOptions, Postgres};

const ROWS: usize = 20_000;

fn rows() -> String {
    let mut csv = "account_code,account_name,category,period,amount_sar\n".to_owned();
    for row in 0..ROWS {
        writeln!(
            csv,
            "{},Compte {row},operating_other,p1,1.00",
            600_000 + row
        )
        .unwrap();
    }
    csv
}

/// Killed at one moment of a load after the other; the client sends it again
/// with the same key.
#[tokio::test]
async fn a_bulk_load_is_there_whole_or_not_at_all() {
    let database = Postgres::start().await;
    let start = async || {
        DaemonOptions::default()
            .brisk()
            .database(&database.url())
            .tokens()
            .serve()
            .await
    };
    let csv = rows();
    let mut daemon = start().await;
    let mut torn = 0;
    for (attempt, delay) in [0_u64, 5, 20, 60, 120, 250].into_iter().enumerate() {
        let planner = Caller::new(&daemon, "planner");
        let version = planner
            .create("Budget", 2030 + u16::try_from(attempt).unwrap())
            .await;
        let path = below(&version, "/lines");
        let sender = planner
            .with("content-type", "text/csv")
            .with("idempotency-key", "load");
        let killed = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            daemon.signal(Signal::KILL);
        };
        let (sent, ()) = tokio::join!(sender.try_send(Method::POST, &path, &csv), killed);
        let acknowledged = sent.is_ok_and(|answer| answer.code == 201);
        torn += usize::from(!acknowledged);
        daemon.exit().await;
        daemon = start().await;
        let planner = Caller::new(&daemon, "planner");
        let total = planner.get(&format!("{path}?page_size=1")).await.json()["total"].clone();
        assert!(total == 0 || total == ROWS, "{total} of {ROWS} lines");
        assert!(
            !acknowledged || total == ROWS,
            "what was acknowledged is there"
        );

        let sender = planner
            .with("content-type", "text/csv")
            .with("idempotency-key", "load");
        let again = sender.try_send(Method::POST, &path, &csv).await.unwrap();
        assert_eq!(again.code, 201, "{}", again.body);
        let total = planner.get(&format!("{path}?page_size=1")).await.json()["total"].clone();
        assert_eq!(total, json!(ROWS), "never doubled");
    }
    assert!(torn > 0, "no load was cut: the delays are too long");
}
