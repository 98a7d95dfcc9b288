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

/// The same on a thread of its own: a file may be a pipe whose writer takes its
/// time, or lie on a share that hangs, and nothing else may wait for that.
pub async fn plan_aside(sources: Sources) -> Result<(Loaded, Graph), Vec<String>> {
    let planned = tokio::task::spawn_blocking(move || plan(&sources)).await;
    planned.unwrap_or_else(|broke| Err(vec![format!("cannot read the configuration: {broke}")]))
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
