use proptest::prelude::*;

use super::*;
use crate::config::{Address, Checks, Target};
use crate::dependency::Kind;

fn dependency(name: &str, policy: Policy, needs: &[&str]) -> Dependency {
    Dependency {
        name: name.parse().unwrap(),
        kind: Kind::Tcp,
        policy,
        needs: needs.iter().map(|need| need.parse().unwrap()).collect(),
        target: Some(Target::Tcp(Address::Tcp {
            host: "localhost".into(),
            port: 1,
        })),
        checks: Checks::default(),
    }
}

fn refusals(dependencies: &[Dependency]) -> Vec<String> {
    Graph::build(dependencies)
        .unwrap_err()
        .iter()
        .map(|refusal| format!("{}: {refusal}", refusal.key()))
        .collect()
}

#[test]
fn equals_keep_their_configured_order() {
    let dependencies = [
        dependency("api", Policy::Optional, &["db", "cache"]),
        dependency("db", Policy::Required, &[]),
        dependency("cache", Policy::Optional, &[]),
        dependency("mail", Policy::Optional, &[]),
    ];
    let graph = Graph::build(&dependencies).unwrap();
    assert_eq!(graph.start_order(), [1, 2, 3, 0]);

    let (positions, part) = graph.part(&[0]);
    assert_eq!(positions, [1, 2, 0]);
    let kept: Vec<Dependency> = positions
        .iter()
        .map(|&position| dependencies[position].clone())
        .collect();
    assert_eq!(part, Graph::build(&kept).unwrap());
    assert_eq!(graph.part(&[3]).0, [3]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let dependencies = [
        dependency("a", Policy::Required, &["b", "nobody"]),
        dependency("b", Policy::Required, &["c"]),
        dependency("c", Policy::Required, &["a"]),
        dependency("d", Policy::Optional, &["d"]),
        dependency("e", Policy::Startup, &["d"]),
    ];
    assert_eq!(
        refusals(&dependencies),
        [
            "dependencies.a.needs: there is no dependency named nobody; known are a, b, c, d, e",
            "dependencies.d.needs: a dependency cannot need itself",
            "dependencies.e.needs: e is startup and cannot need d, which is only optional; make d startup, or e optional",
            "dependencies.a.needs: they need each other in a cycle: a -> b -> c -> a",
        ]
    );
}

#[test]
fn a_need_may_be_as_strong_or_stronger() {
    for dependent in Policy::ALL {
        for need in Policy::ALL {
            let dependencies = [
                dependency("x", dependent, &["y"]),
                dependency("y", need, &[]),
            ];
            let legal = match dependent {
                Policy::Required => need == Policy::Required,
                Policy::Startup => matches!(need, Policy::Required | Policy::Startup),
                Policy::Optional | Policy::Disabled => true,
            };
            assert_eq!(
                Graph::build(&dependencies).is_ok(),
                legal,
                "{dependent} needs {need}"
            );
        }
    }
}

#[test]
fn a_need_that_is_named_twice_is_one_need() {
    let dependencies = [
        dependency("a", Policy::Optional, &["b", "b"]),
        dependency("b", Policy::Optional, &[]),
    ];
    let graph = Graph::build(&dependencies).unwrap();
    assert_eq!(graph.needs(0), [1]);
    assert_eq!(graph.start_order(), [1, 0]);
}

#[test]
fn of_very_many_names_some_are_shown() {
    let mut dependencies: Vec<Dependency> = (0..12)
        .map(|n| dependency(&format!("n{n}"), Policy::Optional, &[]))
        .collect();
    dependencies[0].needs = vec!["nobody".parse().unwrap()];
    assert_eq!(
        refusals(&dependencies),
        [
            "dependencies.n0.needs: there is no dependency named nobody; \
             known are n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 more"
        ]
    );
    let exactly = &dependencies[..10];
    assert!(refusals(exactly)[0].ends_with("n8, n9"));
}

proptest! {
    /// Edges that only point to earlier names can form no cycle, whatever
    /// order the names are configured in.
    #[test]
    fn a_start_order_puts_needs_first(
        edges in prop::collection::vec((0_usize..20, 0_usize..20), 0..60),
        shuffle in Just((0..20_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let name = |n: usize| format!("n{n}");
        let dependencies: Vec<Dependency> = shuffle.iter().map(|&n| {
            let needs: Vec<String> = edges.iter()
                .filter(|(from, to)| *from == n && to < from)
                .map(|(_, to)| name(*to))
                .collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            dependency(&name(n), Policy::Optional, &needs)
        }).collect();
        let graph = Graph::build(&dependencies).unwrap();
        let place = |position: usize| graph.start_order().iter().position(|&p| p == position).unwrap();
        for position in 0..dependencies.len() {
            for &need in graph.needs(position) {
                prop_assert!(place(need) < place(position));
            }
        }
    }

    /// Whatever the edges are, a refusal that names a cycle names a real one.
    #[test]
    fn a_named_cycle_is_one(edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..24)) {
        let dependencies: Vec<Dependency> = (0..8).map(|n| {
            let needs: Vec<String> = edges.iter()
                .filter(|(from, to)| *from == n && to != from)
                .map(|(_, to)| format!("n{to}"))
                .collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            dependency(&format!("n{n}"), Policy::Optional, &needs)
        }).collect();
        if let Err(refusals) = Graph::build(&dependencies) {
            for refusal in refusals {
                let Refusal::Cycle(path) = refusal else { panic!("only cycles can be wrong here") };
                prop_assert!(path.len() > 2);
                prop_assert_eq!(path.first(), path.last());
                for step in path.windows(2) {
                    let from = dependencies.iter().find(|d| d.name == step[0]).unwrap();
                    prop_assert!(from.needs.contains(&step[1]));
                }
            }
        }
    }
}
