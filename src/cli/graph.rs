//! `budgetd graph`: prints the dependency graph.

use std::fmt::Write;

use super::{GraphFormat, output, plan};
use crate::config::{Dependency, Sources};
use crate::dependency::Policy;
use crate::exit::Exit;
use crate::graph::Graph;

pub(super) fn graph(sources: &Sources, format: GraphFormat) -> Exit {
    let plan = match plan(sources) {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let dependencies = &plan.config().dependencies;
    let text = match format {
        GraphFormat::Text => text(dependencies, &plan.graph),
        GraphFormat::Mermaid => mermaid(dependencies, &plan.graph),
        GraphFormat::Dot => dot(dependencies, &plan.graph),
    };
    output::text(&text);
    Exit::Success
}

fn text(dependencies: &[Dependency], graph: &Graph) -> String {
    let longest = dependencies
        .iter()
        .map(|dependency| dependency.name.as_str().len());
    let width = longest.max().unwrap_or_default();
    let mut text = String::new();
    for &position in graph.start_order() {
        let dependency = &dependencies[position];
        let _ = write!(
            text,
            "{:width$}  {:8}  {:8}  {}",
            dependency.name,
            dependency.kind,
            dependency.policy,
            address(dependency)
        );
        let needs: Vec<&str> = names(dependencies, graph, position).collect();
        if !needs.is_empty() {
            let _ = write!(text, "  needs {}", needs.join(", "));
        }
        text.push('\n');
    }
    text
}

fn mermaid(dependencies: &[Dependency], graph: &Graph) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for &position in graph.start_order() {
        let dependency = &dependencies[position];
        let _ = writeln!(
            text,
            "    n{position}[\"{}<br/>{}, {}\"]",
            dependency.name, dependency.kind, dependency.policy
        );
    }
    text.push_str("    api([\"API listener\"])\n");
    for &position in graph.start_order() {
        for &need in graph.needs(position) {
            let _ = writeln!(text, "    n{position} -->|needs| n{need}");
        }
        if gates(&dependencies[position]) {
            let _ = writeln!(
                text,
                "    api ==>|{}| n{position}",
                dependencies[position].policy
            );
        }
    }
    text
}

fn dot(dependencies: &[Dependency], graph: &Graph) -> String {
    let mut text =
        "digraph budgetd {\n    rankdir=LR;\n    api [shape=box, label=\"API listener\"];\n"
            .to_owned();
    for &position in graph.start_order() {
        let dependency = &dependencies[position];
        let style = if dependency.is_watched() {
            "solid"
        } else {
            "dashed"
        };
        let _ = writeln!(
            text,
            "    \"{}\" [style={style}, label=\"{}\\n{}, {}\"];",
            dependency.name, dependency.name, dependency.kind, dependency.policy
        );
    }
    for &position in graph.start_order() {
        let name = &dependencies[position].name;
        for need in names(dependencies, graph, position) {
            let _ = writeln!(text, "    \"{name}\" -> \"{need}\" [label=needs];");
        }
        if gates(&dependencies[position]) {
            let policy = dependencies[position].policy;
            let _ = writeln!(text, "    api -> \"{name}\" [label={policy}, style=bold];");
        }
    }
    text.push_str("}\n");
    text
}

fn gates(dependency: &Dependency) -> bool {
    dependency.is_watched() && dependency.policy.gates()
}

fn names<'a>(
    dependencies: &'a [Dependency],
    graph: &'a Graph,
    position: usize,
) -> impl Iterator<Item = &'a str> {
    let needs = graph.needs(position).iter();
    needs.map(|&need| dependencies[need].name.as_str())
}

fn address(dependency: &Dependency) -> String {
    match (&dependency.target, dependency.policy) {
        (_, Policy::Disabled) => "disabled".to_owned(),
        (None, _) => "not configured".to_owned(),
        (Some(target), _) => target.to_string(),
    }
}
