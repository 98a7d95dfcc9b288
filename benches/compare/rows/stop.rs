//! From SIGTERM to the end of the process, while nothing happens.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::time::Instant;

use crate::Effort;
use crate::clients::{PAUSE, moment};
use crate::contest::alternate;
use crate::goal::Goal;
use crate::peers::{Room, Web};
use crate::plot::Plot;
use crate::section::Section;
use crate::table::Table;
use crate::trio::Trio;
use crate::unit::{Unit, millis};

pub(crate) async fn measure(effort: Effort) -> Section {
    let trio = Trio::start().await;
    let runs = alternate(4, effort.of(100, 3), async |contestant| match contestant {
        0 => {
            let daemon = trio.watched().await;
            let pid = i32::try_from(daemon.pid()).expect("it is one");
            let pid = Pid::from_raw(pid).expect("it is one");
            until_gone(pid, || daemon.signal(Signal::TERM)).await
        }
        1 => {
            stopped(
                &Web::nginx(1, "{}", Room::Default).ready().await,
                Signal::TERM,
            )
            .await
        }
        2 => {
            stopped(
                &Web::nginx(1, "{}", Room::Default).ready().await,
                Signal::QUIT,
            )
            .await
        }
        _ => {
            stopped(
                &Web::haproxy("{}", Room::Default).ready().await,
                Signal::USR1,
            )
            .await
        }
    })
    .await;
    let [ours, fast, graceful, haproxy] = runs.try_into().expect("there were four");
    let table = Table::new("signal → end of the process, idle", Unit::Milliseconds)
        .with("budgetd, SIGTERM, `drain_delay = \"0s\"`", ours)
        .with("nginx, SIGTERM (fast)", fast)
        .with("nginx, SIGQUIT (graceful)", graceful)
        .with("HAProxy, SIGUSR1 (graceful)", haproxy);
    Section {
        about: "Nothing is in flight. budgetd closes its sessions and its pool, and writes its \
                log to the end."
            .to_owned(),
        goals: vec![Goal::below(
            "p99",
            table.ours().percentile(99),
            20.0,
            Unit::Milliseconds,
        )],
        plots: vec![Plot::bars("stop", &table)],
        tables: vec![table],
        ..Section::default()
    }
}

async fn stopped(server: &Web, signal: Signal) -> f64 {
    until_gone(server.pids()[0], || server.signal(signal)).await
}

/// Looks at the child without taking its end from whoever waits for it.
async fn until_gone(pid: Pid, signal: impl FnOnce()) -> f64 {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let began = Instant::now();
    signal();
    let gone = moment("the process ends", PAUSE, async || {
        waitid(WaitId::Pid(pid), look).is_ok_and(|ended| ended.is_some())
    });
    millis(gone.await - began)
}
