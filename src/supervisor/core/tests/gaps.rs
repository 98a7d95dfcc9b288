//! A machine that slept, or always oversleeps.

use super::*;

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
