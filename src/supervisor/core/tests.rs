//! Decisions that need no monitor to be seen.

use super::*;
use crate::config::{Address, Checks, Target};
use crate::dependency::{ErrorKind, Failure, Kind, Passed, Policy};
use crate::health::Status;
use crate::supervisor::decision::Urgency;
use crate::supervisor::monitor::{Checked, Report};
use crate::supervisor::reload::Applied;

fn core() -> (Core, Instant) {
    let dependency = Dependency {
        name: "a".parse().unwrap(),
        kind: Kind::Tcp,
        policy: Policy::Required,
        needs: Vec::new(),
        target: Some(Target::Tcp(Address::Tcp {
            host: "scripted".into(),
            port: 1,
        })),
        checks: Checks::default(),
    };
    let graph = Graph::build(std::slice::from_ref(&dependency)).unwrap();
    let began = Instant::now();
    (Core::new(vec![dependency], &graph, 7, at(began)), began)
}

/// `a`, and `b`, which needs it: nodes 0 and 1.
fn pair() -> (Core, Instant) {
    let (core, began) = core();
    let a = core.nodes[&NodeId(0)].config.clone();
    let b = Dependency {
        name: "b".parse().unwrap(),
        needs: vec![a.name.clone()],
        ..a.clone()
    };
    let dependencies = vec![a, b];
    let graph = Graph::build(&dependencies).unwrap();
    (Core::new(dependencies, &graph, 7, at(began)), began)
}

fn at(instant: Instant) -> Now {
    Now {
        instant,
        wall: Timestamp::UNIX_EPOCH,
    }
}

fn report(generation: u32, result: Result<(), ErrorKind>, overslept: bool) -> Input {
    report_of(0, generation, result, overslept)
}

fn report_of(node: u32, generation: u32, result: Result<(), ErrorKind>, overslept: bool) -> Input {
    let result = match result {
        Ok(()) => Ok(Passed {
            latency: Duration::ZERO,
            note: None,
        }),
        Err(kind) => Err(Failure::new(kind, "scripted")),
    };
    let checked = Checked {
        result,
        took: Duration::ZERO,
        connected: true,
        renewal_failure: None,
        overslept,
    };
    Input::Report {
        node: NodeId(node),
        generation,
        report: Report::Checked(checked),
    }
}

fn status(core: &Core) -> Status {
    core.nodes[&NodeId(0)].status()
}

fn checks_ordered(outputs: &[Output]) -> usize {
    let ordered = |output: &&Output| matches!(output, Output::Check { .. });
    outputs.iter().filter(ordered).count()
}

#[tokio::test(start_paused = true)]
async fn a_silent_monitor_is_replaced_and_its_late_report_is_not_heard() {
    let (mut core, began) = core();
    assert_eq!(checks_ordered(&core.handle(Input::Wake, at(began))), 1);

    let overdue = core.wakes_at().unwrap();
    assert_eq!(
        overdue,
        began + Duration::from_secs(6),
        "its deadlines and the grace"
    );
    let outputs = core.handle(Input::Wake, at(overdue));
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Retire(NodeId(0))))
    );
    let restarted = |output: &Output| matches!(output, Output::Tell(Line::ProbeRestarted { .. }));
    assert!(outputs.iter().any(restarted));

    core.handle(report(0, Ok(()), false), at(overdue));
    assert_ne!(status(&core), Status::Ok, "the old monitor is not heard");

    let respawn = core.wakes_at().unwrap();
    let outputs = core.handle(Input::Wake, at(respawn));
    let spawned = |output: &Output| matches!(output, Output::Spawn { generation: 1, .. });
    assert!(outputs.iter().any(spawned));
    assert_eq!(checks_ordered(&outputs), 1);
    core.handle(report(0, Ok(()), false), at(respawn));
    assert_ne!(status(&core), Status::Ok, "nor in the place of the new one");
    core.handle(report(1, Ok(()), false), at(respawn));
    assert_eq!(status(&core), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_a_lost_need_cut_short_is_not_heard() {
    let (mut core, began) = pair();
    core.handle(Input::Wake, at(began));
    let outputs = core.handle(report(0, Ok(()), false), at(began));
    assert_eq!(checks_ordered(&outputs), 1, "that of b");
    let mut now = began;
    while status(&core) != Status::Error {
        now += Duration::from_secs(5);
        core.handle(Input::Wake, at(now));
        core.handle(report(0, Err(ErrorKind::Refused), false), at(now));
        core.handle(report_of(1, 0, Err(ErrorKind::Timeout), true), at(now));
        core.handle(Input::Wake, at(now));
    }
    while status(&core) == Status::Error {
        now += Duration::from_secs(5);
        core.handle(Input::Wake, at(now));
        core.handle(report(0, Ok(()), false), at(now));
    }
    core.handle(Input::Wake, at(now));
    let b = |core: &Core| core.nodes[&NodeId(1)].status();
    core.handle(report_of(1, 0, Ok(()), false), at(now));
    assert_eq!(b(&core), Status::Blocked, "it was asked of the old one");
    core.handle(report_of(1, 1, Ok(()), false), at(now));
    assert_eq!(b(&core), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_is_not_published() {
    let (mut core, began) = core();
    assert!(core.snapshot().is_some());
    assert_eq!(checks_ordered(&core.handle(Input::Wake, at(began))), 1);
    assert!(core.snapshot().is_none(), "nobody has answered yet");
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_clock_restarts_nothing_and_spends_no_deadline() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    let gap = Duration::from_mins(10);
    let resumed = began + gap;
    let outputs = core.handle(Input::ClockGap(gap), at(resumed));
    assert!(outputs.is_empty(), "{outputs:?}");
    assert_eq!(core.wakes_at(), Some(resumed + Duration::from_secs(6)));

    // The check that slept through the gap says nothing; the next decides.
    let outputs = core.handle(report(0, Err(ErrorKind::Timeout), true), at(resumed));
    assert_eq!(checks_ordered(&outputs), 1);
    assert_eq!(core.nodes[&NodeId(0)].machine.attempts(), 0);
    core.handle(report(0, Ok(()), false), at(resumed));
    assert_eq!(status(&core), Status::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_always_oversleeps_cannot_hide_a_loss() {
    let (mut core, began) = core();
    let mut now = began;
    core.handle(Input::Wake, at(now));
    core.handle(report(0, Ok(()), false), at(now));
    let mut checks = 0;
    while status(&core) != Status::Error && checks < 40 {
        // A check that says nothing is made again at once.
        if matches!(core.nodes[&NodeId(0)].work, Work::Idle { .. }) {
            now = core.wakes_at().unwrap();
            core.handle(Input::Wake, at(now));
        }
        core.handle(report(0, Err(ErrorKind::Timeout), true), at(now));
        checks += 1;
    }
    assert_eq!(
        checks, 12,
        "three failures, and three before each say nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_lost_again_at_once_is_looked_after_a_little_later() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    for looks in [1, 0] {
        core.handle(report(0, Ok(()), false), at(began));
        let lost = Input::Report {
            node: NodeId(0),
            generation: 0,
            report: Report::SessionLost,
        };
        assert_eq!(checks_ordered(&core.handle(lost, at(began))), looks);
    }
    let soon = began + Checks::default().fast_interval;
    assert_eq!(core.wakes_at(), Some(soon));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_checked_twice_at_once() {
    let (mut core, began) = core();
    assert_eq!(checks_ordered(&core.handle(Input::Wake, at(began))), 1);
    for urgency in [Urgency::Hint, Urgency::Operator] {
        let look = Input::Look {
            name: None,
            urgency,
        };
        assert_eq!(checks_ordered(&core.handle(look, at(began))), 0);
    }
    let lost = Input::Report {
        node: NodeId(0),
        generation: 0,
        report: Report::SessionLost,
    };
    assert_eq!(checks_ordered(&core.handle(lost, at(began))), 0);
}

#[tokio::test(start_paused = true)]
async fn who_asks_during_a_check_gets_a_fresh_session_with_the_next() {
    for urgency in [Urgency::Hint, Urgency::Operator] {
        let (mut core, began) = core();
        core.handle(Input::Wake, at(began));
        let look = Input::Look {
            name: None,
            urgency,
        };
        core.handle(look, at(began));
        core.handle(report(0, Ok(()), false), at(began));
        let soon = began + Checks::default().fast_interval;
        assert_eq!(core.wakes_at(), Some(soon), "nobody waits an interval");
        for expected in [true, false] {
            let due = core.wakes_at().unwrap();
            let outputs = core.handle(Input::Wake, at(due));
            let [Output::Check { order, .. }] = outputs.as_slice() else {
                panic!("{outputs:?}");
            };
            assert_eq!(order.fresh, expected);
            core.handle(report(0, Ok(()), false), at(due));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_down_keeps_its_pace_whoever_asks() {
    let (mut core, began) = core();
    let mut now = began;
    // Nothing but an operator mends a password: it is tried less and less.
    for _ in 0..20 {
        core.handle(Input::Wake, at(now));
        let look = Input::Look {
            name: None,
            urgency: Urgency::Hint,
        };
        core.handle(look, at(now));
        core.handle(report(0, Err(ErrorKind::Auth), false), at(now));
        let due = core.wakes_at().unwrap();
        if due - now > Duration::from_secs(1) {
            return;
        }
        now = due;
    }
    panic!("it is tried as often as at first");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_every_transition_also_those_that_no_reader_saw() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    core.handle(report(0, Ok(()), false), at(began));
    for _ in 0..3 {
        let due = core.wakes_at().unwrap();
        core.handle(Input::Wake, at(due));
        core.handle(report(0, Err(ErrorKind::Refused), false), at(due));
    }
    let snapshot = core.snapshot().unwrap();
    let moments: Vec<_> = snapshot.timeline.after(0).collect();
    let kinds: Vec<_> = moments.iter().map(|m| m.transition.kind.as_str()).collect();
    assert_eq!(kinds, ["ready", "failing", "down"]);
    assert_eq!(moments[0].dependency.failure, None);
    assert!(moments[2].dependency.failure.is_some());
    let latencies = snapshot
        .dependencies
        .iter()
        .next()
        .unwrap()
        .latencies
        .after(0);
    assert_eq!(
        latencies.map(|sample| sample.is_some()).collect::<Vec<_>>(),
        [true, false],
        "failures in a row are one gap"
    );
}

fn told<'a>(outputs: &'a [Output], line: &str) -> Option<&'a Output> {
    let is =
        |output: &&Output| matches!(output, Output::Tell(l) if format!("{l:?}").starts_with(line));
    outputs.iter().find(is)
}

#[tokio::test(start_paused = true)]
async fn flapping_is_summed_up_and_its_end_is_told() {
    let (mut core, began) = core();
    core.handle(Input::Wake, at(began));
    core.handle(report(0, Ok(()), false), at(began));
    let mut check = |result| {
        let due = core.wakes_at().unwrap();
        core.handle(Input::Wake, at(due));
        core.handle(report(0, result, false), at(due))
    };
    for _ in 0..6 {
        assert!(told(&check(Err(ErrorKind::Refused)), "Transition").is_some());
        assert!(told(&check(Ok(())), "Transition").is_some());
    }
    let outputs = check(Err(ErrorKind::Refused));
    assert!(told(&outputs, "Flapping").is_some(), "{outputs:?}");
    assert!(check(Ok(())).iter().all(|o| !matches!(o, Output::Tell(_))));
    let calmed = (0..100).find(|_| told(&check(Ok(())), "Calmed").is_some());
    assert!(calmed.is_some(), "it never calmed");
}

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
