//! What is told when, on paused time.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::report::{Leaving, Report, Seen, Stage};
use super::sentence::sentence;
use super::*;
use crate::dependency::{ErrorKind, Failure, Kind, Policy};
use crate::health::{DependencyHealth, Published, Snapshot, StartDeadline, Status};

const SECOND: Duration = Duration::from_secs(1);

fn dependency(name: &str, policy: Policy, status: Status) -> DependencyHealth {
    let down = matches!(status, Status::Error);
    DependencyHealth {
        status,
        failure: down.then(|| Failure::new(ErrorKind::Refused, "connection refused")),
        failures: u32::from(down),
        attempts: if down { 7 } else { 0 },
        ..DependencyHealth::unknown(
            name.parse().unwrap(),
            Kind::Tcp,
            policy,
            Timestamp::UNIX_EPOCH,
        )
    }
}

fn published(dependencies: Vec<DependencyHealth>) -> Published {
    let snapshot = Snapshot {
        sequence: 1,
        dependencies: dependencies.into_iter().map(Arc::new).collect(),
        timeline: Arc::default(),
    };
    Published::new(snapshot, |_| Bytes::new(), false)
}

/// A supervisor that turns at this very moment.
fn seen(published: &Published) -> Seen<'_> {
    Seen {
        published,
        turned_at: Instant::now(),
        stuck: false,
        now: Instant::now(),
    }
}

/// Nobody watches.
fn report() -> Report {
    Report::new(false, Instant::now())
}

fn extensions(messages: &[Message]) -> Vec<Duration> {
    let extension = |message: &Message| match message {
        Message::ExtendTimeout(left) => Some(*left),
        _ => None,
    };
    messages.iter().filter_map(extension).collect()
}

#[tokio::test(start_paused = true)]
async fn the_sentence_is_one_that_a_person_can_use() {
    let now = Instant::now();
    let database = DependencyHealth {
        start_deadline: StartDeadline::At(now + 21 * SECOND),
        ..dependency("database", Policy::Required, Status::Error)
    };
    let queue = DependencyHealth {
        blocked_by: Some("database".parse().unwrap()),
        ..dependency("queue", Policy::Startup, Status::Blocked)
    };
    let cache = dependency("cache", Policy::Optional, Status::Error);
    let slow = dependency("slow", Policy::Required, Status::Starting);
    let fine = dependency("fine", Policy::Required, Status::Ok);
    let many = (0..5).map(|n| dependency(&format!("d{n}"), Policy::Required, Status::Error));

    let cases = [
        (
            Stage::Starting,
            vec![database.clone(), cache.clone()],
            "waiting for database: connection refused (attempt 7, 21 s left)",
        ),
        (
            Stage::Starting,
            vec![slow, queue.clone()],
            "waiting for slow: no answer yet (first attempt, for as long as it takes); queue (which needs database)",
        ),
        (Stage::Starting, vec![fine.clone()], "starting"),
        (Stage::Serving, vec![fine.clone()], "serving"),
        (
            Stage::Serving,
            vec![fine, cache.clone(), queue.clone()],
            "serving, degraded without cache: connection refused; queue (which needs database)",
        ),
        (
            Stage::Serving,
            vec![database, cache, queue],
            "unavailable, waiting for database: connection refused",
        ),
        (
            Stage::Serving,
            many.collect(),
            "unavailable, waiting for d0: connection refused; d1: connection refused; d2: connection refused; and 2 more",
        ),
        (
            Leaving::Draining(now + SECOND / 2).with_end(now),
            vec![],
            "draining: still serving for 1 s",
        ),
        (
            Leaving::Finishing(now + 30 * SECOND).with_end(now),
            vec![],
            "draining: finishing requests, 30 s left",
        ),
    ];
    for (stage, dependencies, expected) in cases {
        assert_eq!(sentence(&stage, &published(dependencies), now), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sentence_is_told_once_and_changes_at_most_once_a_second() {
    let (up, down) = (Status::Ok, Status::Error);
    let state = |status| published(vec![dependency("cache", Policy::Optional, status)]);
    let (up, down) = (state(up), state(down));
    let mut report = report();
    report.enter(Stage::Serving);
    let serving = [Message::Status("serving".into())];
    assert_eq!(report.look(&seen(&up)), serving);
    let mut told = 0;
    for turn in 0..100 {
        tokio::time::advance(SECOND / 10).await;
        let state = if turn % 2 == 0 { &down } else { &up };
        told += report.look(&seen(state)).len();
    }
    assert!((5..=10).contains(&told), "{told}");
    tokio::time::advance(SECOND).await;
    report.look(&seen(&up));
    tokio::time::advance(60 * SECOND).await;
    assert_eq!(report.look(&seen(&up)), []);
    // A stage is told at once.
    let stage = Leaving::Closing.with_end(Instant::now());
    assert_eq!(report.enter(stage), [Message::Stopping]);
    assert!(
        report
            .look(&seen(&up))
            .contains(&Message::Status("closing connections".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_is_never_promised_to_end_later_than_was_said() {
    let began = Instant::now();
    // One has used up half of its time and is up; the other one runs.
    let a = DependencyHealth {
        start_deadline: StartDeadline::Paused(15 * SECOND),
        ..dependency("a", Policy::Required, Status::Ok)
    };
    let b = DependencyHealth {
        start_deadline: StartDeadline::At(began + 30 * SECOND),
        ..dependency("b", Policy::Startup, Status::Error)
    };
    let optional = dependency("c", Policy::Optional, Status::Error);
    let state = published(vec![a, b.clone(), optional]);
    let mut report = report();
    let first = extensions(&report.look(&seen(&state)));
    assert_eq!(first, [47 * SECOND]);
    for _ in 0..28 {
        tokio::time::advance(SECOND).await;
        let told = extensions(&report.look(&seen(&state)));
        assert!(told.is_empty(), "nothing moved, yet it was told: {told:?}");
    }
    // The first one goes down, too: now both clocks run at once.
    let a = DependencyHealth {
        start_deadline: StartDeadline::At(began + 43 * SECOND),
        ..dependency("a", Policy::Required, Status::Error)
    };
    let state = published(vec![a, b]);
    assert!(extensions(&report.look(&seen(&state))).is_empty());
    tokio::time::advance(SECOND).await;
    assert_eq!(extensions(&report.look(&seen(&state))), [17 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_nothing_is_promised() {
    let state = published(vec![dependency("a", Policy::Required, Status::Error)]);
    let mut report = report();
    for _ in 0..60 {
        assert!(extensions(&report.look(&seen(&state))).is_empty());
        tokio::time::advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_promises_what_its_deadlines_leave() {
    let state = published(Vec::new());
    let mut report = report();
    report.enter(Stage::Serving);
    let now = Instant::now();
    let stage = Leaving::Draining(now + 10 * SECOND).with_end(now + 50 * SECOND);
    assert_eq!(report.enter(stage), [Message::Stopping]);
    assert_eq!(extensions(&report.look(&seen(&state))), [50 * SECOND]);
    tokio::time::advance(10 * SECOND).await;
    let stage = Leaving::Finishing(now + 40 * SECOND).with_end(now + 50 * SECOND);
    assert_eq!(report.enter(stage), [], "it stops only once");
    assert!(extensions(&report.look(&seen(&state))).is_empty());
    // Nothing was in flight.
    let stage = Leaving::Closing.with_end(now + 20 * SECOND);
    assert_eq!(report.enter(stage), []);
    assert_eq!(extensions(&report.look(&seen(&state))), [10 * SECOND]);
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_told_from_begin_to_end() {
    let mut report = report();
    assert_eq!(report.enter(Stage::Serving), [Message::Ready]);
    assert_eq!(report.enter(Stage::Reloading), [Message::Reloading]);
    assert_eq!(report.enter(Stage::Serving), [Message::Ready]);
}

/// Looks once a second at a supervisor that has last turned when `turned`
/// says; answers with the seconds at which the watchdog was fed.
async fn fed(turned: impl Fn(u64) -> u64, stuck: impl Fn(u64) -> bool) -> Vec<u64> {
    let state = published(Vec::new());
    let began = Instant::now();
    let mut report = Report::new(true, began);
    let mut fed = Vec::new();
    for second in 1..=60 {
        tokio::time::advance(SECOND).await;
        let seen = Seen {
            turned_at: began + Duration::from_secs(turned(second)),
            stuck: stuck(second),
            ..seen(&state)
        };
        if report.look(&seen).contains(&Message::Watchdog) {
            fed.push(second);
        }
    }
    fed
}

#[tokio::test(start_paused = true)]
async fn each_progress_feeds_the_watchdog() {
    let told = fed(|second| second, |_| false).await;
    assert!(told.into_iter().eq(1..=60));

    let state = published(Vec::new());
    let mut unwatched = report();
    tokio::time::advance(SECOND).await;
    assert!(!unwatched.look(&seen(&state)).contains(&Message::Watchdog));
}

#[tokio::test(start_paused = true)]
async fn time_alone_does_not_feed_the_watchdog() {
    // The supervisor stands still from second 20 to second 40.
    let still = |second: u64| {
        if (20..40).contains(&second) {
            20
        } else {
            second
        }
    };
    let told = fed(still, |_| false).await;
    assert!(told.into_iter().eq((1..=20).chain(40..=60)));

    // It turns, but a monitor cannot be replaced any more.
    let told = fed(|second| second, |second| second >= 20).await;
    assert!(told.into_iter().eq(1..20));
}
