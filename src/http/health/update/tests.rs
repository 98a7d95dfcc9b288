use serde_json::Value;

use super::*;
use crate::dependency::Policy;
use crate::health::history::{Latencies, Timeline};
use crate::health::machine::{Transition, TransitionKind};
use crate::health::{Snapshot, Status};
use crate::http::tests::support::{Builder, dependency, snapshot};

fn named(name: &str, status: Status) -> DependencyHealth {
    dependency(name, Policy::Optional, status)
}

fn many(count: usize, status: Status) -> Vec<DependencyHealth> {
    let names = (0..count).map(|number| format!("service-{number}"));
    names.map(|name| named(&name, status)).collect()
}

/// A page, and what it was told.
struct Page {
    endpoint: Arc<HealthEndpoint>,
    health: crate::health::Writer,
    _phase: crate::shutdown::PhaseWriter,
    told: Option<Told>,
}

impl Page {
    fn of(dependencies: Vec<DependencyHealth>) -> Self {
        let builder = Builder {
            dependencies,
            ..Builder::default()
        };
        let (front, (health, phase)) = builder.front();
        Self {
            endpoint: front.health.clone(),
            health,
            _phase: phase,
            told: None,
        }
    }

    /// Whether it was told everything, and the document.
    fn hear(&mut self) -> (bool, Value) {
        let (whole, text) = match self.endpoint.update(&mut self.told) {
            Update::Whole(text) => (true, text),
            Update::Change(text) => (false, text),
        };
        (whole, serde_json::from_str(&text).unwrap())
    }
}

fn names(document: &Value) -> Vec<&str> {
    let dependencies = document["dependencies"].as_array().unwrap().iter();
    dependencies.map(|d| d["name"].as_str().unwrap()).collect()
}

#[test]
fn only_what_is_new_is_told_again() {
    let mut latencies = Latencies::default();
    latencies.passed(std::time::Duration::from_millis(2));
    let a = DependencyHealth {
        latencies: Arc::new(latencies.clone()),
        ..named("a", Status::Ok)
    };
    let mut page = Page::of(vec![a.clone(), named("b", Status::Ok)]);
    let (whole, first) = page.hear();
    assert!(whole);
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(
        first["dependencies"][0]["latencies"],
        serde_json::json!([2.0])
    );

    let (whole, beat) = page.hear();
    assert!(!whole, "nothing changed, and that is told");
    assert_eq!(names(&beat), [""; 0]);
    assert!(beat["timestamp"].is_string() && beat["counts"]["ok"] == 2);

    let b = page
        .endpoint
        .readiness
        .health
        .current()
        .snapshot
        .dependencies
        .get("b")
        .unwrap()
        .clone();
    latencies.failed();
    let down = Arc::new(DependencyHealth {
        status: Status::Error,
        latencies: Arc::new(latencies),
        ..a
    });
    let mut timeline = Timeline::default();
    let transition = Transition {
        kind: TransitionKind::Down,
        previous: Status::Ok,
        status: Status::Error,
    };
    timeline.note(down.since, transition, down.clone());
    page.health.publish(Snapshot {
        sequence: 2,
        dependencies: [down, b].into_iter().collect(),
        timeline: Arc::new(timeline),
    });
    let (whole, change) = page.hear();
    assert!(!whole);
    assert_eq!(names(&change), ["a"]);
    assert_eq!(
        change["dependencies"][0]["latencies"],
        serde_json::json!([null])
    );
    assert_eq!(change["dependencies"][0]["latencies_taken"], 2);
    assert_eq!(change["timeline"][0]["transition"], "down");
    assert_eq!(
        page.hear().1["timeline"],
        serde_json::json!([]),
        "told once"
    );

    page.health.publish(snapshot(vec![named("c", Status::Ok)]));
    let (whole, other) = page.hear();
    assert!(whole, "another graph");
    assert_eq!(names(&other), ["c"]);
}

#[test]
fn of_very_many_only_what_is_not_ok_is_shown_and_the_rest_counted() {
    let mut page = Page::of(many(MAX_SHOWN, Status::Ok));
    assert_eq!(names(&page.hear().1).len(), MAX_SHOWN);

    let mut crowd = many(MAX_SHOWN + 1, Status::Ok);
    crowd.push(named("down", Status::Error));
    crowd.push(named("off", Status::Disabled));
    page.health.publish(snapshot(crowd));
    let (whole, document) = page.hear();
    assert!(whole);
    assert_eq!(names(&document), ["down"]);
    assert_eq!(document["counts"]["total"], MAX_SHOWN + 3);

    page.health
        .publish(snapshot(many(10 * MAX_SHOWN, Status::Error)));
    assert_eq!(
        names(&page.hear().1).len(),
        MAX_SHOWN,
        "bounded all the same"
    );
}
