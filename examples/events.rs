//! Prints the catalogue of log events as it stands in `docs/events.md`.
//!
//! ```text
//! cargo run --example events > docs/events.md
//! ```

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    let page = budgetd::telemetry::catalogue::page();
    std::io::stdout().write_all(page.as_bytes())
}
