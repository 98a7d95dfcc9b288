//! What the daemon takes while nothing happens.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clients::{in_front_of, overall};
use crate::machine::{processor_seconds, resident_bytes};
use crate::report::Report;
use crate::support::{AuthApi, Postgres, Redis};

/// Checks of all dependencies fall into it several times.
const WATCHED: Duration = Duration::from_secs(20);
const MEMORY_BOUND_MB: f64 = 15.0;
const CPU_BOUND_PERCENT: f64 = 0.5;
const BINARY_BOUND_MB: f64 = 12.0;

/// Memory, processor time and size, with the three built-in dependencies.
pub(crate) async fn at_rest(report: &mut Report) {
    let database = Postgres::start().await;
    let redis = Redis::start().await;
    let auth = AuthApi::start().await;
    let daemon = in_front_of(&database, &redis)
        .variable("SUPABASE_URL", &auth.url())
        .serve()
        .await;
    overall(&daemon, "ok").await;
    let pid = daemon.pid();
    let (before, began) = (processor_seconds(pid), Instant::now());
    sleep(WATCHED).await;
    let used = processor_seconds(pid) - before;
    let share = 100.0 * used / began.elapsed().as_secs_f64();
    report.value(
        "idle with three dependencies: resident memory",
        resident_bytes(pid) / 1e6,
        MEMORY_BOUND_MB,
        "MB",
    );
    report.value(
        "idle with three dependencies: share of a core, in steps of 0.05 %",
        share,
        CPU_BOUND_PERCENT,
        "%",
    );
    let program = Path::new(env!("CARGO_BIN_EXE_budgetd"));
    let size = std::fs::metadata(program).expect("cargo built it").len();
    #[expect(clippy::cast_precision_loss, reason = "programs are not that large")]
    let size = size as f64 / 1e6;
    report.value("size of the program, stripped", size, BINARY_BOUND_MB, "MB");
}
