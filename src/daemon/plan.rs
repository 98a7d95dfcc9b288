//! From sources to a configuration whose graph is legal.

use crate::config::{self, Dependency, Loaded, Sources};
use crate::graph::Graph;

/// Loads and validates everything. The error is every problem, a line each.
pub fn plan(sources: &Sources) -> Result<(Loaded, Graph), Vec<String>> {
    match config::load(sources) {
        Ok(loaded) => {
            let graph = graph(&loaded.config.dependencies)?;
            Ok((loaded, graph))
        }
        Err(problems) => {
            let graph = problems.dependencies().map(graph);
            let values = problems.iter().map(ToString::to_string);
            Err(values
                .chain(graph.and_then(Result::err).into_iter().flatten())
                .collect())
        }
    }
}

fn graph(dependencies: &[Dependency]) -> Result<Graph, Vec<String>> {
    Graph::build(dependencies).map_err(|refusals| {
        let cannot = |refusal| format!("cannot use {refusal}");
        refusals.iter().map(cannot).collect()
    })
}
