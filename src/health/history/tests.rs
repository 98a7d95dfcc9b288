use super::*;
use crate::dependency::{Kind, Policy};
use crate::health::Status;
use crate::health::machine::TransitionKind;

fn millis(latencies: &Latencies, seen: u64) -> Vec<Option<u128>> {
    let samples = latencies.after(seen);
    samples
        .map(|sample| sample.map(|s| s.as_millis()))
        .collect()
}

#[test]
fn the_last_checks_are_remembered_and_failures_in_a_row_are_one_gap() {
    let mut latencies = Latencies::default();
    assert_eq!(latencies.after(0).count(), 0);
    latencies.passed(Duration::from_millis(3));
    latencies.failed();
    latencies.failed();
    latencies.passed(Duration::from_millis(4));
    assert_eq!(millis(&latencies, 0), [Some(3), None, Some(4)]);
    assert_eq!(latencies.taken(), 3);
    assert_eq!(millis(&latencies, 1), [None, Some(4)]);
    assert_eq!(millis(&latencies, 3), []);
    assert_eq!(millis(&latencies, 9).len(), 3, "of another life");

    for _ in 0..10 * MAX_LATENCIES {
        latencies.passed(Duration::ZERO);
    }
    assert_eq!(latencies.after(0).count(), MAX_LATENCIES);
    assert!(latencies.after(0).all(|sample| sample.is_some()));
}

fn dependency(name: &str) -> Arc<DependencyHealth> {
    Arc::new(DependencyHealth {
        status: Status::Ok,
        initialized: true,
        ..DependencyHealth::unknown(
            name.parse().unwrap(),
            Kind::Tcp,
            Policy::Optional,
            Timestamp::UNIX_EPOCH,
        )
    })
}

fn note(timeline: &mut Timeline, name: &str) {
    let transition = Transition {
        kind: TransitionKind::Down,
        previous: Status::Ok,
        status: Status::Error,
    };
    timeline.note(Timestamp::UNIX_EPOCH, transition, dependency(name));
}

#[test]
fn the_timeline_is_bounded_and_one_that_flaps_leaves_room_for_others() {
    let mut timeline = Timeline::default();
    note(&mut timeline, "quiet");
    for _ in 0..10 * MAX_MOMENTS {
        note(&mut timeline, "flapping");
    }
    let names: Vec<_> = timeline
        .after(0)
        .map(|m| m.dependency.name.as_str())
        .collect();
    assert_eq!(names.len(), 1 + MAX_OF_ONE);
    assert_eq!(names[0], "quiet");

    let seen = timeline.happened();
    assert_eq!(timeline.after(seen).count(), 0);
    for number in 0..MAX_MOMENTS {
        note(&mut timeline, &format!("other-{number}"));
    }
    assert_eq!(timeline.after(0).count(), MAX_MOMENTS);
    assert_eq!(timeline.after(seen).count(), MAX_MOMENTS);
    assert_eq!(timeline.happened(), seen + MAX_MOMENTS as u64);
}
