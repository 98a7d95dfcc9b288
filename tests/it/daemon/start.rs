//! From the start of the process to the first answer of the API.

use std::io::ErrorKind;

use crate::support::{AuthApi, DaemonOptions, Postgres, Redis};

#[tokio::test]
async fn it_serves_once_everything_it_needs_is_up() {
    let mut database = Postgres::start().await;
    let redis = Redis::start().await;
    let auth = AuthApi::start().await;
    database.stop().await;
    let mut daemon = DaemonOptions::default()
        .database(&database.url())
        .cache(&redis.url())
        .variable("SUPABASE_URL", &auth.url())
        .start();
    daemon.open().await;
    daemon.until_status("cache", "ok").await;
    let down = daemon.until_status("database", "error").await;
    assert_eq!(down["error_kind"], "refused");

    let (code, document) = daemon.readiness().await;
    assert_eq!((code, &document["status"]), (503, &"starting".into()));
    assert_eq!(daemon.ask("/health/startup").await.code, 503);
    assert_eq!(daemon.ask("/health/live").await.code, 200);
    let refused = daemon.get("/health").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    database.restart_same_port().await;
    daemon.event("application_startup_complete").await;
    let ready = daemon.get("/health/ready").await.unwrap();
    assert_eq!((ready.code, &ready.json()["status"]), (200, &"ok".into()));
    assert_eq!(daemon.get("/health/startup").await.unwrap().code, 200);

    let events: Vec<String> = daemon
        .lines()
        .iter()
        .map(|line| line["event"].as_str().unwrap().to_owned())
        .collect();
    let place = |event: &str| events.iter().position(|e| e == event).unwrap();
    assert_eq!(place("application_startup_begin"), 0);
    assert!(place("database_health_check_success") < place("listener_opened"));
    assert_eq!(
        place("listener_opened") + 1,
        place("application_startup_complete")
    );
}
