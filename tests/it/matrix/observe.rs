//! What is seen of a daemon from outside, held against the model.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::axes::Policy;
use super::bounds;
use super::case::Case;
use super::model::{self, Door, Effect, Phase, Sight};
use crate::support::Daemon;

mod story;

pub(super) use story::hold as story;

/// How often is looked: dozens of daemons are looked at together.
const PAUSE: Duration = Duration::from_millis(100);

/// How long something took, and how long it may take.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) what: &'static str,
    pub(super) took: Duration,
    pub(super) bound: Duration,
    /// Not left to chance: most rows that have something in common must keep
    /// the bound even without what a busy machine may add.
    pub(super) is_certain: bool,
}

impl Figure {
    /// # Panics
    ///
    /// When it took longer than the bound and what a busy machine may add.
    pub(super) fn new(what: &'static str, took: Duration, bound: Duration) -> Self {
        assert!(
            took <= bound + bounds::allowance(),
            "{what} took {took:?}, and {bound:?} is the bound"
        );
        Self {
            what,
            took,
            bound,
            is_certain: true,
        }
    }

    /// Whether only a busy machine can excuse it.
    pub(super) fn is_late(&self) -> bool {
        self.took > self.bound
    }
}

/// Looks until something is found.
///
/// # Panics
///
/// When the bound has passed, and what a busy machine may add to it; and when
/// the daemon ends.
pub(super) async fn until<T>(
    daemon: &mut Daemon,
    what: &str,
    bound: Duration,
    mut look: impl AsyncFnMut(&Daemon) -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look(daemon).await {
            return found;
        }
        if let Some(code) = daemon.exit_now() {
            panic!("it ended with {code} before: {what}");
        }
        assert!(
            begin.elapsed() <= bound + bounds::allowance(),
            "not within {bound:?}: {what}"
        );
        sleep(PAUSE).await;
    }
}

/// When a line was written.
pub(super) fn written(line: &Value) -> Timestamp {
    let text = line["timestamp"].as_str().expect("every line has one");
    text.parse().expect("it is one")
}

/// From one moment to the other, and nothing if they are the other way round.
pub(super) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// Waits for the first line of an event that is written.
pub(super) async fn event(daemon: &mut Daemon, event: &'static str, bound: Duration) -> Value {
    until(daemon, event, bound, async |daemon| {
        daemon.lines_of(event).into_iter().next()
    })
    .await
}

/// The lines of the dependency's transitions, and how many hiccups were among
/// them: a machine that stands still for longer than a deadline costs a living
/// server one failure, which the next check mends. It is no part of any story.
fn transitions(daemon: &Daemon, case: Case) -> (Vec<Value>, usize) {
    let mut lines = daemon.lines();
    lines.retain(|line| {
        line["dependency"] == case.dependency.name() && line["transition"].is_string()
    });
    let is_hiccup = |pair: &[Value]| {
        let [failing, recovered] = pair else {
            return false;
        };
        let mended = matches!(
            (
                recovered["transition"].as_str(),
                recovered["previous"].as_str()
            ),
            (Some("recovered"), Some("failing")) | (Some("ready"), Some("starting"))
        );
        mended && failed_in_time(failing) && failing["status"] == recovered["previous"]
    };
    let mut hiccups = 0;
    while let Some(place) = lines.windows(2).position(is_hiccup) {
        let is_first = lines[place + 1]["transition"] == "ready";
        let count = if is_first { 1 } else { 2 };
        lines.drain(place..place + count);
        hiccups += 1;
    }
    (lines, hiccups)
}

fn failed_in_time(line: &Value) -> bool {
    line["transition"] == "failing" && line["error_kind"] == "timeout"
}

/// Waits for the nth transition of the dependency, which must be this one.
pub(super) async fn transition(
    daemon: &mut Daemon,
    case: Case,
    (nth, expected): (usize, &str),
    bound: Duration,
) -> Value {
    let line = until(daemon, expected, bound, async |daemon| {
        let line = transitions(daemon, case).0.into_iter().nth(nth)?;
        // It may be a hiccup that the next check mends.
        (line["transition"] == expected || !failed_in_time(&line)).then_some(line)
    })
    .await;
    assert_eq!(line["transition"], expected, "{line}");
    line
}

/// Waits until the dependency was checked so many more times.
pub(super) async fn checked(daemon: &mut Daemon, case: Case, times: u64) {
    let attempts =
        async |daemon: &Daemon| daemon.status_of(case.dependency.name()).await["attempts"].as_u64();
    let goal = attempts(daemon).await.map(|so_far| so_far + times);
    let bound = (bounds::INTERVAL + bounds::TIMEOUT) * u32::try_from(times).unwrap_or(u32::MAX);
    until(daemon, "further checks", bound, async |daemon| {
        (attempts(daemon).await >= goal).then_some(())
    })
    .await;
}

/// A look at a dependency that has begun to fail. By then it may be down, where
/// failures follow each other fast.
pub(super) async fn failing(daemon: &mut Daemon, case: Case, phase: Phase) {
    let (code, document) = daemon.readiness().await;
    let status = document["checks"][case.dependency.name()]["status"].as_str();
    let Some(is_up) = status.and_then(model::fails_as_up) else {
        return;
    };
    let expected = model::sight(phase, case.policy, is_up);
    assert_eq!(document["status"], expected.overall, "{document}");
    assert_eq!(code, expected.code, "{document}");
}

/// Holds what is seen against what the model says, for a dependency that has
/// come to rest.
pub(super) async fn sight(daemon: &mut Daemon, case: Case, phase: Phase, effect: Effect) {
    let is_up = !matches!(effect, Effect::Down(_));
    let expected = model::sight(phase, case.policy, is_up);
    let status = if is_up { "ok" } else { "error" };
    let what = format!(
        "{} is {status}, and it is {}",
        case.dependency.name(),
        expected.overall
    );
    let (code, check) = until(daemon, &what, bounds::TIMEOUT, async |daemon| {
        let (code, document) = daemon.readiness().await;
        let check = &document["checks"][case.dependency.name()];
        let fits = check["status"] == status
            && document["status"] == expected.overall
            && kind_fits(check, effect);
        fits.then(|| (code, check.clone()))
    })
    .await;
    assert_eq!(code, expected.code, "the code of readiness");
    assert_eq!(check["policy"], case.policy.as_str(), "{check}");
    if let Effect::Up { note: Some(words) } = effect {
        let note = check["note"].as_str().unwrap_or_default();
        assert!(note.contains(words), "no {words:?} in {check}");
    }
    assert_eq!(daemon.ask("/health/live").await.code, 200);
    door(daemon, expected).await;
}

fn kind_fits(check: &Value, effect: Effect) -> bool {
    match effect {
        Effect::Down(kinds) => kinds
            .iter()
            .any(|kind| check["error_kind"] == kind.as_str()),
        _ => true,
    }
}

/// Knocks at the API.
async fn door(daemon: &Daemon, expected: Sight) {
    let readiness = daemon.get("/health/ready").await;
    let request = daemon.get("/api/v1/nothing").await;
    if expected.door == Door::Shut {
        for answer in [readiness, request] {
            let error = answer.expect_err("the gate is shut");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        return;
    }
    let (readiness, request) = (readiness.expect("an answer"), request.expect("an answer"));
    assert_eq!(readiness.code, expected.code, "{}", readiness.body);
    assert_eq!(readiness.json()["status"], expected.overall);
    if expected.door == Door::Open {
        assert_eq!(request.code, 404, "{}", request.body);
        return;
    }
    assert_eq!(request.code, 503, "{}", request.body);
    let retry = request
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    assert!(
        retry.is_some_and(|seconds: u32| (1..=5).contains(&seconds)),
        "to be tried again after {retry:?}"
    );
}

/// The first summary of a dependency that flaps, within its bound; nobody is
/// told more than it takes to become one.
pub(super) async fn flapping(daemon: &mut Daemon, policy: Policy) -> Value {
    let legal = [true, false].map(|is_up| model::sight(Phase::Serving, policy, is_up));
    let patience = bounds::flapping() + bounds::allowance();
    until(daemon, "dependency_flapping", patience, async |daemon| {
        let (code, document) = daemon.readiness().await;
        let fits = |sight: &Sight| document["status"] == sight.overall && code == sight.code;
        assert!(legal.iter().any(fits), "{code} with {document}");
        daemon.lines_of("dependency_flapping").into_iter().next()
    })
    .await
}
