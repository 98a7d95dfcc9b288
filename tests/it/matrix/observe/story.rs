//! The whole log of a row and its end, held against the model's story.

use super::transitions;
use crate::matrix::bounds;
use crate::matrix::case::Case;
use crate::matrix::model::{self, Story};
use crate::support::Daemon;

/// Holds the whole log and the exit code against the story of a row; answers
/// with the number of hiccups.
pub(in crate::matrix) fn hold(daemon: &Daemon, case: Case, story: &Story, exit: i32) -> usize {
    assert_eq!(exit, story.exit, "the exit code");
    let lines = daemon.lines();
    let places = |event: &str| -> Vec<usize> {
        let all = lines.iter().enumerate();
        let found = all.filter(|(_, line)| line["event"] == event);
        found.map(|(place, _)| place).collect()
    };
    let mut last = 0;
    for event in &story.events {
        let found = places(event);
        let [place] = found.as_slice() else {
            panic!("{event} was told {} times", found.len());
        };
        assert!(*place >= last, "{event} came too early");
        last = *place;
    }
    for event in &story.never {
        assert!(places(event).is_empty(), "{event} was told");
    }
    let (told, hiccups) = transitions(daemon, case);
    for line in &told {
        let transition = line["transition"].as_str().unwrap_or_default();
        let kind = line["error_kind"].as_str();
        if matches!(transition, "failing" | "down") {
            let may_fail = |kind| model::may_fail(case.dependency, case.fault, kind);
            assert!(kind.is_some_and(may_fail), "no such failure: {line}");
        }
        let event = model::event(case.dependency, transition, kind == Some("timeout"));
        assert_eq!(line["event"], event, "{line}");
        assert_eq!(line["policy"], case.policy.as_str(), "{line}");
    }
    if let Some(expected) = story.transitions {
        let told: Vec<_> = told.iter().map(|line| &line["transition"]).collect();
        assert_eq!(told, expected, "the transitions");
    } else {
        let departures = told.iter().filter(|line| line["previous"] == "ok").count();
        assert!(
            departures <= bounds::CALM as usize,
            "{departures} departures are told"
        );
        assert_eq!(places("dependency_flapping").len(), 1, "summaries");
    }
    hiccups
}
