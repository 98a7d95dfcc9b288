//! From sources to a configuration whose graph is legal.

use std::collections::BTreeMap;

use crate::config::{self, Dependency, Loaded, Problem, Provenance, Sources};
use crate::graph::{Graph, Refusal};

/// Loads and validates everything. The error is every problem, a line each.
pub fn plan(sources: &Sources) -> Result<(Loaded, Graph), Vec<String>> {
    match config::load(sources) {
        Ok(loaded) => {
            let graph = graph(&loaded.config.dependencies, &loaded.origins)?;
            Ok((loaded, graph))
        }
        Err(problems) => {
            let dependencies = problems.dependencies();
            let graph = dependencies.map(|all| graph(all, problems.origins()));
            let values = problems.iter().map(ToString::to_string);
            Err(values
                .chain(graph.and_then(Result::err).into_iter().flatten())
                .collect())
        }
    }
}

fn graph(
    dependencies: &[Dependency],
    origins: &BTreeMap<String, Provenance>,
) -> Result<Graph, Vec<String>> {
    Graph::build(dependencies).map_err(|refusals| {
        let problem = |refusal: &Refusal| {
            let key = refusal.key();
            let from = origins.get(&key).cloned().unwrap_or(Provenance::BuiltIn);
            let message = refusal.to_string();
            Problem {
                from,
                key: Some(key),
                message,
            }
            .to_string()
        };
        refusals.iter().map(problem).collect()
    })
}
