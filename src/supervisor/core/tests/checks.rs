//! When a check is made, and whose report counts.

use super::*;

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
