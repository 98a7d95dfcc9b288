use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::support::{Builder, Client, HANG, dependency};
use crate::dependency::Policy;
use crate::health::{DependencyHealth, Status};

#[tokio::test]
async fn the_admin_socket_serves_its_paths_and_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let mut server = Builder::default().start_admin(&path).await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let mut client = Client::unix(&path).await;
    let page = client.get("/").await;
    assert!(page.body.contains("href=\"metrics\""));
    assert_eq!(client.get("/health/ready").await.json()["status"], "ok");
    let metrics = client.get("/metrics").await;
    assert_eq!(metrics.body, "budgetd_up 1\n");
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );

    let status = client.get("/status").await.json();
    assert_eq!(status["status"], "ok");
    assert_eq!(status["phase"], "serving");
    assert_eq!(status["gate_opened"], true);
    assert_eq!(status["pid"], std::process::id());
    let database = &status["dependencies"][0];
    assert_eq!(database["name"], "database");
    assert_eq!(database["url"], "tcp://database:1");
    assert!(database["error"].is_null());

    for (name, code) in [("database", 202), ("off", 409), ("nobody", 404)] {
        client
            .send(format!("POST /check/{name} HTTP/1.1\r\nhost: t\r\n\r\n"))
            .await;
        assert_eq!(client.answer().await.status, code, "{name}");
    }
    // What the path extractor refuses by itself.
    client
        .send("POST /check/%ff HTTP/1.1\r\nhost: t\r\n\r\n")
        .await;
    let refused = client.answer().await;
    assert_eq!(refused.status, 400);
    assert!(refused.detail().contains("UTF-8"), "{refused:?}");
    assert_eq!(client.get("/check/database").await.status, 405);
    assert_eq!(client.get("/docs").await.status, 404);

    server.stop.cut.cancel();
    server.ended().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn the_page_asks_nobody_else_for_anything_and_runs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let _server = Builder::default().start_admin(&path).await;
    let page = Client::unix(&path).await.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    for rule in [
        "default-src 'none'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "trusted-types 'none'",
    ] {
        assert!(policy.contains(rule), "{rule} in {policy}");
    }
    for name in ["x-content-type-options", "referrer-policy", "cache-control"] {
        assert!(page.header(name).is_some(), "{name}");
    }
    // The policy allows what stands between the tags, byte for byte.
    for (begin, end, rule) in [
        ("<style>", "</style>", "style-src"),
        ("<script type=\"module\">", "</script>", "script-src"),
    ] {
        let parts: Vec<&str> = page.body.split(begin).collect();
        assert_eq!(parts.len(), 2, "one {begin}");
        let content = parts[1].split(end).next().unwrap();
        let hash = BASE64_STANDARD.encode(Sha256::digest(content));
        let allowed = format!("{rule} 'sha256-{hash}'");
        assert!(policy.contains(&allowed), "{allowed} in {policy}");
    }
    let namespace = "http://www.w3.org/2000/svg";
    let rest = page.body.replace(namespace, "");
    for trace in ["http://", "https://", "src=", "url(//", "@import"] {
        assert!(!rest.contains(trace), "{trace}");
    }
}

#[tokio::test]
async fn pages_that_take_nothing_are_cut_and_their_places_are_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    let mut builder = Builder::default();
    builder.settings.body_idle_timeout = Duration::from_secs(2);
    // The first event is more than a socket holds.
    let crowd = (0..200).map(|number| DependencyHealth {
        note: Some("x".repeat(2_000)),
        ..dependency(&format!("service-{number}"), Policy::Optional, Status::Ok)
    });
    builder.dependencies = crowd.collect();
    let _server = builder.start_admin(&path).await;
    let listen = async || {
        let mut client = Client::unix(&path).await;
        let status = client.get("/status/stream").await.status;
        (status, client)
    };
    let mut deaf = Vec::new();
    let filled = async {
        while let (200, client) = listen().await {
            deaf.push(client);
        }
    };
    timeout(HANG, filled).await.expect("there is an end");
    let freed = async {
        while listen().await.0 != 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(HANG, freed).await.expect("the deaf are cut");
}
