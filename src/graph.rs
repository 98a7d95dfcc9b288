//! The dependency graph: who needs whom, and the order of start and stop.
//!
//! Pure. A [`Graph`] exists only if it is legal, so nobody checks it again.

use std::collections::HashMap;
use std::fmt;

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::config::Dependency;
use crate::dependency::{Name, Policy};

/// A legal graph over the dependencies it was built from. A position is an
/// index into that list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    start_order: Vec<usize>,
    needs: Vec<Vec<usize>>,
}

/// Why a graph is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("dependencies.{dependent}.needs: there is no dependency named {need}; {known}", known = Known(known))]
    UnknownNeed {
        dependent: Name,
        need: Name,
        known: Vec<Name>,
    },
    #[error("dependencies.{0}.needs: a dependency cannot need itself")]
    NeedsItself(Name),
    #[error("dependencies: they need each other in a cycle: {}", Path(.0))]
    Cycle(Vec<Name>),
    #[error(
        "dependencies.{dependent}.needs: {dependent} is {policy} and cannot need {need}, which is only {need_policy}; \
         make {need} {policy}, or {dependent} {need_policy}"
    )]
    WeakerNeed {
        dependent: Name,
        policy: Policy,
        need: Name,
        need_policy: Policy,
    },
}

impl Graph {
    /// Builds the graph, or says everything that is wrong with it.
    pub fn build(dependencies: &[Dependency]) -> Result<Self, Vec<Refusal>> {
        let positions: HashMap<&Name, usize> = dependencies
            .iter()
            .enumerate()
            .map(|(position, dependency)| (&dependency.name, position))
            .collect();
        let mut refusals = Vec::new();
        let mut needs = vec![Vec::new(); dependencies.len()];
        for (position, dependency) in dependencies.iter().enumerate() {
            for need in &dependency.needs {
                match positions.get(need) {
                    None => refusals.push(Refusal::UnknownNeed {
                        dependent: dependency.name.clone(),
                        need: need.clone(),
                        known: dependencies.iter().map(|d| d.name.clone()).collect(),
                    }),
                    Some(&need) if need == position => {
                        refusals.push(Refusal::NeedsItself(dependency.name.clone()));
                    }
                    Some(need) if needs[position].contains(need) => {}
                    Some(&need) => {
                        refusals.extend(weaker_need(dependency, &dependencies[need]));
                        needs[position].push(need);
                    }
                }
            }
        }
        match order(&needs) {
            Ok(start_order) if refusals.is_empty() => Ok(Self { start_order, needs }),
            Ok(_) => Err(refusals),
            Err(cycles) => {
                let name = |position: usize| dependencies[position].name.clone();
                refusals.extend(
                    cycles
                        .into_iter()
                        .map(|cycle| Refusal::Cycle(cycle.into_iter().map(name).collect())),
                );
                Err(refusals)
            }
        }
    }

    /// Every position, each behind all that it needs. Stopping goes backwards.
    pub fn start_order(&self) -> &[usize] {
        &self.start_order
    }

    /// The positions that the one at `position` needs.
    pub fn needs(&self, position: usize) -> &[usize] {
        &self.needs[position]
    }

    /// The part of the graph that `wanted` stands on: the positions of these
    /// and of everything they need, in start order, and the graph over a list
    /// of just these.
    pub fn part(&self, wanted: &[usize]) -> (Vec<usize>, Self) {
        let positions = self.with_needs(wanted);
        let place = |position: &usize| positions.iter().position(|kept| kept == position);
        let needs = |position: &usize| self.needs[*position].iter().filter_map(place).collect();
        let part = Self {
            start_order: (0..positions.len()).collect(),
            needs: positions.iter().map(needs).collect(),
        };
        (positions, part)
    }

    fn with_needs(&self, wanted: &[usize]) -> Vec<usize> {
        let mut included = vec![false; self.needs.len()];
        let mut open = wanted.to_vec();
        while let Some(position) = open.pop() {
            if !std::mem::replace(&mut included[position], true) {
                open.extend(&self.needs[position]);
            }
        }
        let all = self.start_order.iter().copied();
        all.filter(|&position| included[position]).collect()
    }
}

/// A gating dependency is only as strong as what it needs.
fn weaker_need(dependent: &Dependency, need: &Dependency) -> Option<Refusal> {
    let too_weak = dependent.policy.gates() && need.policy < dependent.policy;
    too_weak.then(|| Refusal::WeakerNeed {
        dependent: dependent.name.clone(),
        policy: dependent.policy,
        need: need.name.clone(),
        need_policy: need.policy,
    })
}

/// The start order, or every cycle, each as the way round it.
fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    // Edges point from a need to its dependent. They are added from the last
    // to the first because petgraph hands out the newest first, and a start
    // order that follows the configuration is the one a person expects.
    let mut graph = DiGraph::<usize, ()>::new();
    let nodes: Vec<NodeIndex> = (0..needs.len())
        .map(|position| graph.add_node(position))
        .collect();
    for (dependent, needs) in needs.iter().enumerate().rev() {
        for &need in needs {
            graph.add_edge(nodes[need], nodes[dependent], ());
        }
    }
    if let Ok(mut order) = toposort(&graph, None) {
        // Among legal orders the one that keeps equals in configured order:
        // the depth of a node, then its position.
        let mut depth = vec![0_usize; needs.len()];
        for &node in &order {
            let position = graph[node];
            depth[position] = needs[position]
                .iter()
                .map(|&need| depth[need] + 1)
                .max()
                .unwrap_or(0);
        }
        order.sort_by_key(|&node| (depth[graph[node]], graph[node]));
        return Ok(order.into_iter().map(|node| graph[node]).collect());
    }
    let rings = kosaraju_scc(&graph)
        .into_iter()
        .filter(|ring| ring.len() > 1)
        .map(|ring| {
            let members: Vec<usize> = ring.into_iter().map(|node| graph[node]).collect();
            way_round(&members, needs)
        });
    Err(rings.collect())
}

/// One cycle inside a strongly connected set, first member repeated at the end.
fn way_round(members: &[usize], needs: &[Vec<usize>]) -> Vec<usize> {
    let mut at = members.iter().copied().min().unwrap_or_default();
    let mut path = vec![at];
    loop {
        let next = needs[at]
            .iter()
            .copied()
            .find(|need| members.contains(need));
        // Every member of such a set needs another member of it.
        let Some(next) = next else { return path };
        if let Some(start) = path.iter().position(|&seen| seen == next) {
            path.drain(..start);
            path.push(next);
            return path;
        }
        path.push(next);
        at = next;
    }
}

struct Path<'a>(&'a [Name]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" -> ")?;
            }
            write!(f, "{name}")?;
        }
        Ok(())
    }
}

struct Known<'a>(&'a [Name]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        let names: Vec<&str> = self.0.iter().map(Name::as_str).take(SHOWN).collect();
        write!(f, "known are {}", names.join(", "))?;
        if self.0.len() > SHOWN {
            write!(f, " and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
