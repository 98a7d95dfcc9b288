//! Reloads, from their beginning to their end.

use super::*;

/// A reload to `dependencies`, begun at `now`.
fn reload_to(core: &mut Core, dependencies: Vec<Dependency>, now: Now) -> Vec<Output> {
    let graph = Graph::build(&dependencies).unwrap();
    let reload = Input::Reload {
        dependencies,
        graph,
    };
    core.handle(reload, now)
}

/// A reload that gives `a` another address, staged at `now`; its candidate is
/// node 1. `dependent` is new and needs `a`.
fn reload(core: &mut Core, deadline: Duration, dependent: Option<&str>, now: Now) -> Vec<Output> {
    let changed = |name: &str, needs: &[&str]| Dependency {
        name: name.parse().unwrap(),
        kind: Kind::Tcp,
        policy: Policy::Required,
        needs: needs.iter().map(|need| need.parse().unwrap()).collect(),
        target: Some(Target::Tcp(Address::Tcp {
            host: "changed".into(),
            port: 2,
        })),
        checks: Checks {
            startup_deadline: Some(deadline),
            ..Checks::default()
        },
    };
    let mut dependencies = vec![changed("a", &[])];
    dependencies.extend(dependent.map(|name| changed(name, &["a"])));
    reload_to(core, dependencies, now)
}

fn reloaded(outputs: &[Output]) -> Option<Result<(), String>> {
    outputs.iter().find_map(|output| match output {
        Output::Reloaded(Ok(_)) => Some(Ok(())),
        Output::Reloaded(Err(refused)) => Some(Err(refused.to_string())),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_candidate_whose_monitor_breaks_ends_the_reload_and_nothing_else() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    core.handle(report(0, Ok(()), false), at(began));
    let outputs = reload(&mut core, Duration::from_secs(30), None, at(began));
    assert_eq!(reloaded(&outputs), None);
    assert_eq!(checks_ordered(&outputs), 1, "the candidate is looked at");
    let counted = [0, 1].map(|id| core.live_name(NodeId(id)).map(Name::as_str));
    assert_eq!(counted, [Some("a"), None], "its checks are not counted");
    let broke = Input::MonitorEnded {
        node: NodeId(1),
        generation: 0,
        reason: "it panicked".to_owned(),
    };
    let outputs = core.handle(broke, at(began));
    assert_eq!(reloaded(&outputs), Some(Err("a: it panicked".to_owned())));
    let retired = |output: &Output| matches!(output, Output::Retire(NodeId(1)));
    assert!(outputs.iter().any(retired));
    assert_eq!(status(&core), Status::Ok);
    assert_eq!(core.stop_order().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_holds_from_the_reload_on() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    core.handle(report(0, Ok(()), false), at(began));
    let mut dependency = core.nodes[&NodeId(0)].config.clone();
    dependency.checks.interval = Duration::from_secs(1);
    let outputs = reload_to(&mut core, vec![dependency], at(began));
    assert_eq!(reloaded(&outputs), Some(Ok(())));
    assert_eq!(checks_ordered(&outputs), 0, "nothing is due yet");
    let wait = core.wakes_at().unwrap() - began;
    let jitter = Duration::from_millis(900)..=Duration::from_millis(1_100);
    assert!(jitter.contains(&wait), "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_changes_nothing_waits_for_nobody() {
    let (mut core, began) = pair();
    let dependencies = [0, 1].map(|id| core.nodes[&NodeId(id)].config.clone());
    let outputs = reload_to(&mut core, dependencies.to_vec(), at(began));
    let ended = outputs.iter().find_map(|output| match output {
        Output::Reloaded(outcome) => Some(outcome),
        _ => None,
    });
    assert_eq!(ended, Some(&Ok(Applied::default())), "a and b are not up");
}

#[tokio::test(start_paused = true)]
async fn a_reload_goes_on_with_the_same_node_where_nothing_else_is_to_be_watched() {
    let (core, began) = core();
    let watched = core.nodes[&NodeId(0)].config.clone();
    let unset = Dependency {
        target: None,
        ..watched.clone()
    };
    let off = Dependency {
        policy: Policy::Disabled,
        ..watched.clone()
    };
    let forms = [
        (watched, Status::Ok),
        (unset, Status::NotConfigured),
        (off, Status::Disabled),
    ];
    for (from, before) in &forms {
        for (to, after) in &forms {
            let graph = Graph::build(std::slice::from_ref(from)).unwrap();
            let mut core = Core::new(vec![from.clone()], &graph, 7, at(began));
            core.handle(Input::Wake, at(began));
            core.handle(report(0, Ok(()), false), at(began));
            assert_eq!(status(&core), *before);

            reload_to(&mut core, vec![to.clone()], at(began));
            core.handle(report_of(1, 0, Ok(()), false), at(began));
            let node = core.live_node(&to.name).unwrap();
            assert_eq!(core.nodes[&node].status(), *after, "{before} to {after}");
            assert_eq!(node == NodeId(0), before == after, "{before} to {after}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_candidates_of_a_large_reload_do_not_begin_all_at_once() {
    let (mut core, began) = core();
    let dependencies: Vec<Dependency> = (0..1_100)
        .map(|n| Dependency {
            name: format!("d{n}").parse().unwrap(),
            ..core.nodes[&NodeId(0)].config.clone()
        })
        .collect();
    core.handle(Input::Wake, at(began));
    let outputs = reload_to(&mut core, dependencies, at(began));
    assert_eq!(checks_ordered(&outputs), 100);
    let last = began + Duration::from_secs(1);
    let just_before = core.handle(Input::Wake, at(last - Duration::from_millis(1)));
    assert_eq!(checks_ordered(&just_before), 999);
    assert_eq!(checks_ordered(&core.handle(Input::Wake, at(last))), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_clock_spends_no_time_of_a_reload() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    core.handle(report(0, Ok(()), false), at(began));
    let (deadline, gap) = (Duration::from_secs(1), Duration::from_mins(10));
    reload(&mut core, deadline, Some("b"), at(began));
    let outputs = core.handle(Input::ClockGap(gap), at(began + gap));
    assert_eq!(reloaded(&outputs), None, "nobody had the time to answer");
    let outputs = core.handle(Input::Wake, at(began + gap + deadline));
    let problems = reloaded(&outputs).unwrap().unwrap_err();
    assert_eq!(
        problems,
        "a (tcp://changed:2) was not up within 1s: it did not answer; \
         b (tcp://changed:2) was not up within 1s: it needs a, which is not up"
    );
}
