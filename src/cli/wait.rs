//! `budgetd wait`: checks dependencies until they are up.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Plan, block_on, output, plan, small_runtime};
use crate::config::{Dependency, Sources};
use crate::dependency::Name;
use crate::exit::Exit;
use crate::health::{DependencyHealth, Reader};
use crate::supervisor::{Supervisor, real_probes};

pub(super) fn wait(sources: &Sources, names: &[String], timeout: Duration) -> Exit {
    let plan = match plan(sources) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let wanted = match wanted(&plan, names) {
        Ok(wanted) => wanted,
        Err((exit, problem)) => {
            output::error(&problem);
            return exit;
        }
    };
    let waiting = wait_for(&plan, wanted, timeout);
    block_on(small_runtime(), waiting).unwrap_or_else(|exit| exit)
}

/// The positions of the dependencies to wait for.
fn wanted(plan: &Plan, names: &[String]) -> Result<Vec<usize>, (Exit, String)> {
    let dependencies = &plan.config().dependencies;
    if names.is_empty() {
        let all = dependencies.iter().enumerate();
        return Ok(all
            .filter(|(_, d)| d.is_watched())
            .map(|(position, _)| position)
            .collect());
    }
    let find = |name: &String| {
        let known = || {
            dependencies
                .iter()
                .map(|d| d.name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let position = dependencies.iter().position(|d| d.name.as_str() == name);
        let position = position.ok_or_else(|| {
            let problem = format!(
                "cannot wait for {name}: there is no such dependency; known are {}",
                known()
            );
            (Exit::Usage, problem)
        })?;
        if dependencies[position].is_watched() {
            return Ok(position);
        }
        let problem = format!("cannot wait for {name}: it is disabled or has no url");
        Err((Exit::Configuration, problem))
    };
    names.iter().map(find).collect()
}

async fn wait_for(plan: &Plan, wanted: Vec<usize>, timeout: Duration) -> Exit {
    let all = &plan.config().dependencies;
    let mut missing: HashSet<Name> = wanted
        .iter()
        .map(|&position| all[position].name.clone())
        .collect();
    // What they need is checked with them, and nothing else is.
    let (positions, graph) = plan.graph.part(&wanted);
    let dependencies = positions.into_iter().map(|position| {
        let mut dependency = all[position].clone();
        dependency.checks.startup_deadline = None;
        dependency
    });
    let dependencies: Vec<Dependency> = dependencies.collect();
    let (supervisor, _handle, mut health) =
        Supervisor::new(dependencies, &graph, real_probes(), |_| Bytes::new());
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(supervisor.run(stop.clone()));
    let exit = tokio::select! {
        exit = tell_until_up(&mut health, &mut missing) => exit,
        Some(ended) = tasks.join_next() => {
            if let Ok(Err(fatal)) = ended {
                output::error(&fatal.to_string());
            }
            Exit::Internal
        }
        () = tokio::time::sleep(timeout) => {
            let timeout = humantime::format_duration(timeout);
            let published = health.current();
            let all = published.snapshot.dependencies.iter();
            for health in all.filter(|health| missing.contains(&health.name)) {
                let (name, why) = (&health.name, why(health));
                output::error(&format!("{name} was not up within {timeout}: {why}"));
            }
            Exit::Unavailable
        }
    };
    stop.cancel();
    while tasks.join_next().await.is_some() {}
    exit
}

/// Prints a line for each dependency that comes up.
async fn tell_until_up(health: &mut Reader, missing: &mut HashSet<Name>) -> Exit {
    let told = health
        .wait_for(|published| {
            for health in published.snapshot.dependencies.iter() {
                if health.status.is_up() && missing.remove(&health.name) {
                    output::line(&format!("{} is up ({})", health.name, health.url));
                }
            }
            missing.is_empty()
        })
        .await;
    match told {
        Ok(_) => Exit::Success,
        Err(_) => std::future::pending().await,
    }
}

fn why(health: &DependencyHealth) -> String {
    match (&health.blocked_by, &health.failure) {
        (Some(need), _) => format!("it needs {need}, which is not up"),
        (None, Some(failure)) => format!(
            "{failure} (tried {} times); {}",
            health.attempts,
            failure.kind.hint(health.kind)
        ),
        (None, None) => "it did not answer".to_owned(),
    }
}
