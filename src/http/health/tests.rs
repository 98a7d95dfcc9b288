use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::dependency::{ErrorKind, Failure, Policy};
use crate::health::{DependencyHealth, Snapshot, Status};
use crate::http::tests::support::{dependency, snapshot};

fn rendered(snapshot: &Snapshot) -> Value {
    let fragment = render(snapshot);
    let document = format!("{{{}}}", std::str::from_utf8(&fragment).unwrap());
    serde_json::from_str(&document).unwrap()
}

fn check(dependency: DependencyHealth) -> Value {
    let name = dependency.name.as_str().to_owned();
    rendered(&snapshot(vec![dependency]))["checks"][&name].clone()
}

fn refused() -> Failure {
    Failure::new(ErrorKind::Refused, "connection \"refused\"")
}

#[test]
fn a_healthy_dependency_is_short() {
    let up = DependencyHealth {
        latency: Some(Duration::from_nanos(412_345)),
        ..dependency("database", Policy::Required, Status::Ok)
    };
    let expected = json!({"status": "ok", "policy": "required", "latency_ms": 0.41, "since": "1970-01-01T00:00:00.000Z"});
    assert_eq!(check(up), expected);
}

#[test]
fn the_cache_always_says_what_clients_read() {
    let down = DependencyHealth {
        failure: Some(refused()),
        failures: 12,
        latency: Some(Duration::from_millis(1)),
        ..dependency("cache", Policy::Optional, Status::Error)
    };
    let text = String::from_utf8(render(&snapshot(vec![down])).to_vec()).unwrap();
    assert_eq!(
        text,
        r#""checks":{"cache":{"status":"error","policy":"optional","enabled":true,"initialized":false,"url":"tcp://cache:1","error":"connection \"refused\"","error_kind":"refused","failures":12,"since":"1970-01-01T00:00:00.000Z"}}"#
    );
    for status in Status::ALL {
        let cache = check(dependency("cache", Policy::Optional, status));
        assert_eq!(cache["enabled"], status.counts(), "{status}");
        assert!(cache["initialized"].is_boolean() && cache["url"].is_string());
    }
}

#[test]
fn errors_are_told_while_they_last() {
    for status in Status::ALL {
        let told = check(DependencyHealth {
            failure: Some(refused()),
            failures: 1,
            ..dependency("other", Policy::Optional, status)
        });
        let lasts = matches!(status, Status::Starting | Status::Failing | Status::Error);
        assert_eq!(told.get("error_kind").is_some(), lasts, "{status}");
        assert_eq!(told.get("error").is_some(), lasts, "{status}");
        assert_eq!(told.get("failures").is_some(), lasts, "{status}");
    }
    let blocked = check(DependencyHealth {
        blocked_by: Some("database".parse().unwrap()),
        ..dependency("other", Policy::Optional, Status::Blocked)
    });
    assert_eq!(blocked["blocked_by"], "database");
}

#[test]
fn many_dependencies_are_counted_and_only_the_bad_ones_told() {
    let many = |count: usize| {
        let mut all = vec![
            dependency("database", Policy::Required, Status::Ok),
            dependency("cache", Policy::Disabled, Status::Disabled),
            dependency("broken", Policy::Optional, Status::Failing),
            dependency("off", Policy::Disabled, Status::Disabled),
        ];
        let rest = count - all.len();
        all.extend((0..rest).map(|n| dependency(&format!("d{n}"), Policy::Optional, Status::Ok)));
        snapshot(all)
    };
    let document = rendered(&many(100));
    assert_eq!(document["checks"].as_object().unwrap().len(), 100);
    assert!(document.get("counts").is_none());

    let document = rendered(&many(101));
    let told: Vec<_> = document["checks"].as_object().unwrap().keys().collect();
    assert_eq!(told, ["database", "cache", "broken"]);
    assert_eq!(document["counts"]["total"], 101);
    assert_eq!(document["counts"]["ok"], 98);
    assert_eq!(document["counts"]["failing"], 1);
    assert_eq!(document["counts"]["disabled"], 2);
}
