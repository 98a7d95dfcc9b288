use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::dependency::ErrorKind;

const LIMITS: Thresholds = Thresholds { rise: 2, fall: 3 };

fn passed() -> Event {
    Event::Passed(Passed {
        latency: Duration::from_millis(1),
        note: None,
    })
}

fn failed() -> Event {
    Event::Failed(Failure::new(ErrorKind::Refused, "connection refused"))
}

fn lost() -> Event {
    Event::NeedLost("a".parse().unwrap())
}

/// Runs events through a new machine; answers with the statuses in between.
fn statuses(events: &[Event]) -> Vec<Status> {
    let mut machine = Machine::new(Timestamp::UNIX_EPOCH);
    events
        .iter()
        .map(|event| {
            machine.step(event.clone(), LIMITS, Timestamp::UNIX_EPOCH);
            machine.status()
        })
        .collect()
}

#[test]
fn one_pass_is_enough_until_it_was_up() {
    use Status::{Error, Ok, Starting};
    assert_eq!(statuses(&[passed()]), [Ok]);
    assert_eq!(
        statuses(&[failed(), failed(), failed(), passed()]),
        [Starting, Starting, Error, Ok]
    );
}

#[test]
fn it_falls_and_rises_by_its_thresholds() {
    use Status::{Error, Failing, Ok};
    let events = [
        passed(),
        failed(),
        failed(),
        passed(),
        failed(),
        failed(),
        failed(),
        passed(),
        failed(),
        passed(),
        passed(),
    ];
    assert_eq!(
        statuses(&events),
        [
            Ok, Failing, Failing, Ok, Failing, Failing, Error, Error, Error, Error, Ok
        ]
    );
}

#[test]
fn blocked_waits_for_an_answer_and_one_is_enough() {
    use Status::{Blocked, Error, Ok, Starting};
    assert_eq!(
        statuses(&[passed(), lost(), Event::NeedsMet, passed()]),
        [Ok, Blocked, Blocked, Ok]
    );
    assert_eq!(
        statuses(&[passed(), lost(), Event::NeedsMet, failed()]),
        [Ok, Blocked, Blocked, Error]
    );
    assert_eq!(
        statuses(&[lost(), Event::NeedsMet, failed(), failed(), failed()]),
        [Blocked, Blocked, Starting, Starting, Error]
    );
}

#[test]
fn people_are_told_of_the_first_failure_and_of_changes_only() {
    let mut machine = Machine::new(Timestamp::UNIX_EPOCH);
    let mut told = |event| {
        machine
            .step(event, LIMITS, Timestamp::UNIX_EPOCH)
            .map(|transition| transition.kind.as_str())
    };
    assert_eq!(told(failed()), Some("failing"));
    assert_eq!(told(failed()), None);
    assert_eq!(told(failed()), Some("down"));
    assert_eq!(told(failed()), None);
    assert_eq!(told(passed()), Some("ready"));
    assert_eq!(told(passed()), None);
    assert_eq!(told(failed()), Some("failing"));
    assert_eq!(told(passed()), Some("recovered"));
    assert_eq!(told(lost()), Some("blocked"));
    assert_eq!(told(lost()), None);
    assert_eq!(told(Event::NeedsMet), None);
    assert_eq!(told(passed()), Some("recovered"));
}

#[test]
fn what_is_not_watched_never_changes() {
    for status in [Status::Disabled, Status::NotConfigured] {
        let mut machine = Machine::inert(status, Timestamp::UNIX_EPOCH);
        for event in [passed(), failed(), lost(), Event::NeedsMet] {
            assert_eq!(machine.step(event, LIMITS, Timestamp::UNIX_EPOCH), None);
        }
        assert_eq!(machine.status(), status);
    }
}

#[test]
fn what_is_known_follows_each_event() {
    let second = |second| Timestamp::from_second(second).unwrap();
    let mut machine = Machine::new(second(1));
    assert_eq!((machine.since(), machine.last_checked()), (second(1), None));

    machine.step(failed(), LIMITS, second(2));
    assert_eq!(machine.since(), second(1), "it is starting as before");
    assert_eq!(machine.last_checked(), Some(second(2)));
    assert_eq!(machine.failure().unwrap().kind, ErrorKind::Refused);
    assert_eq!(machine.latencies().taken(), 1);

    machine.step(passed(), LIMITS, second(3));
    assert_eq!(machine.since(), second(3));
    assert_eq!(machine.last_checked(), Some(second(3)));
    assert_eq!(
        machine.passed().map(|p| p.latency),
        Some(Duration::from_millis(1))
    );
    let samples: Vec<_> = machine.latencies().after(0).collect();
    assert_eq!(samples, [None, Some(Duration::from_millis(1))]);

    machine.step(passed(), LIMITS, second(4));
    assert_eq!(machine.since(), second(3), "it is ok as before");
    assert_eq!(machine.last_checked(), Some(second(4)));

    machine.step(lost(), LIMITS, second(5));
    assert_eq!(machine.since(), second(5));
    assert_eq!(machine.blocked_by().map(Name::as_str), Some("a"));
    assert_eq!(
        machine.last_checked(),
        Some(second(4)),
        "nothing was checked"
    );
    machine.step(Event::NeedLost("b".parse().unwrap()), LIMITS, second(6));
    assert_eq!(machine.since(), second(5), "it is blocked as before");
    assert_eq!(machine.blocked_by().map(Name::as_str), Some("b"));
    machine.step(Event::NeedsMet, LIMITS, second(7));
    assert_eq!(machine.blocked_by(), None);
    assert_eq!(machine.status(), Status::Blocked, "nobody has looked yet");
    machine.step(passed(), LIMITS, second(8));
    assert_eq!((machine.since(), machine.status()), (second(8), Status::Ok));
}

proptest! {
    /// `debug_assert` in `enter` makes any illegal step a failure here.
    #[test]
    fn any_history_keeps_the_books_straight(
        history in prop::collection::vec(0_u8..4, 0..200),
        rise in 1_u32..5,
        fall in 1_u32..5,
    ) {
        let limits = Thresholds { rise, fall };
        let mut machine = Machine::new(Timestamp::UNIX_EPOCH);
        let (mut failures, mut attempts, mut ever_up) = (0, 0, false);
        for step in history {
            let event = match step {
                0 => passed(),
                1 => failed(),
                2 => lost(),
                _ => Event::NeedsMet,
            };
            // The supervisor checks nothing while a need is missing.
            if matches!(event, Event::Passed(_) | Event::Failed(_)) && machine.blocked_by().is_some() {
                continue;
            }
            match event {
                Event::Passed(_) => { failures = 0; attempts += 1; }
                Event::Failed(_) => { failures += 1; attempts += 1; }
                Event::NeedLost(_) if machine.status() != Status::Blocked => failures = 0,
                _ => {}
            }
            machine.step(event, limits, Timestamp::UNIX_EPOCH);
            ever_up |= machine.status() == Status::Ok;

            prop_assert_eq!(machine.failures(), failures);
            prop_assert_eq!(machine.attempts(), attempts);
            prop_assert_eq!(machine.initialized(), ever_up);
            match machine.status() {
                Status::Starting => prop_assert!(!ever_up && failures < fall),
                Status::Ok => prop_assert!(failures == 0 && machine.failure().is_none()),
                Status::Failing => prop_assert!(ever_up && failures > 0 && failures < fall),
                Status::Error => prop_assert!(machine.failure().is_some()),
                Status::Blocked => prop_assert!(failures == 0),
                other => prop_assert!(false, "{} is not watched", other),
            }
        }
    }
}
