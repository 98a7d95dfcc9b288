//! What is published and told.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_changes_nothing_is_not_published() {
    let (mut core, began) = core();
    assert!(core.snapshot().is_some());
    assert_eq!(checks_ordered(&core.handle(Input::Wake, at(began))), 1);
    assert!(core.snapshot().is_none(), "nobody has answered yet");
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
