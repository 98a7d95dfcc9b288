//! Prints the description of the API as it stands in `docs/openapi.json`.
//!
//! ```text
//! cargo run --example openapi > docs/openapi.json
//! ```

use std::io::Write as _;

fn main() -> anyhow::Result<()> {
    let document = budgetd::api::openapi().to_pretty_json()?;
    Ok(writeln!(std::io::stdout(), "{document}")?)
}
