//! From sources to a configuration whose graph is legal.

use crate::config::{self, Loaded, Sources};
use crate::graph::Graph;

/// Loads and validates everything. The error is every problem, a line each.
pub fn plan(sources: &Sources) -> Result<(Loaded, Graph), Vec<String>> {
    let loaded = config::load(sources)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    match Graph::build(&loaded.config.dependencies) {
        Ok(graph) => Ok((loaded, graph)),
        Err(refusals) => Err(refusals
            .iter()
            .map(|refusal| format!("cannot use {refusal}"))
            .collect()),
    }
}
