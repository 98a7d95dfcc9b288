//! `budgetd check`: validates the configuration and prints what it comes to.

use super::{output, plan};
use crate::config::Sources;
use crate::exit::Exit;

pub(super) fn check(sources: &Sources, quiet: bool) -> Exit {
    let plan = match plan(sources) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    for warning in &plan.loaded.warnings {
        output::error(&format!("warning: {warning}"));
    }
    if quiet {
        return Exit::Success;
    }
    output::text(&plan.loaded.resolved_toml());
    let dependencies = &plan.config().dependencies;
    let order: Vec<&str> = plan
        .graph
        .start_order()
        .iter()
        .map(|&position| &dependencies[position])
        .filter(|dependency| dependency.is_watched())
        .map(|dependency| dependency.name.as_str())
        .collect();
    output::line(&format!("\n# start order: {}", order.join(", ")));
    Exit::Success
}
