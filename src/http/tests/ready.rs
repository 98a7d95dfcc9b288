use super::support::{Builder, Server, dependency, snapshot};
use crate::config::HealthDetails;
use crate::dependency::Policy;
use crate::health::Status;
use crate::http::BoundListener;
use crate::shutdown::Phase;

#[tokio::test]
async fn connects_are_refused_until_the_listener_listens() {
    let bound = BoundListener::bind(&super::support::loopback(), "api.listen")
        .await
        .unwrap();
    let address = bound.address();
    let refused = tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    let listener = bound.listen().unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap();
    drop(listener);
}

#[tokio::test]
async fn a_connection_is_kept_for_many_requests() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for _ in 0..3 {
        let answer = client.get("/health").await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            r#"{"status":"healthy","service":"EFIR Budget Planning API"}"#
        );
        assert_eq!(answer.header("connection"), None);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let live = client.get("/health/live").await;
    assert_eq!(live.body, r#"{"status":"ok","service":"efir-budget-api"}"#);
}

#[tokio::test]
async fn a_broken_process_is_not_alive_and_says_what_is_broken() {
    let server = Builder {
        liveness: std::sync::Arc::new(|| Err("it does not turn".into())),
        ..Builder::default()
    }
    .start()
    .await;
    let live = server.get("/health/live").await;
    assert_eq!(live.status, 503);
    assert_eq!(live.detail(), "it does not turn");
    assert_eq!(server.get("/health/ready").await.status, 200);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut client = server.client().await;
    client
        .send(
            "GET /health/live HTTP/1.1\r\nhost: t\r\n\r\n\
             GET /nowhere HTTP/1.1\r\nhost: t\r\n\r\n\
             GET /health HTTP/1.1\r\nhost: t\r\n\r\n",
        )
        .await;
    assert!(client.answer().await.body.contains("efir-budget-api"));
    assert_eq!(client.answer().await.status, 404);
    assert!(client.answer().await.body.contains("healthy"));
}

#[tokio::test]
async fn readiness_follows_the_snapshot_and_the_phase() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    let ready = client.get("/health/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["status"], "ok");

    let down = |name, policy| vec![dependency(name, policy, Status::Error)];
    server
        .health
        .publish(snapshot(down("cache", Policy::Optional)));
    let ready = client.get("/health/ready").await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (200, Some("degraded"))
    );

    server
        .health
        .publish(snapshot(down("database", Policy::Required)));
    let ready = client.get("/health/ready").await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (503, Some("unavailable"))
    );
    assert_eq!(client.get("/health/live").await.status, 200);
    assert_eq!(client.get("/health/startup").await.status, 200);

    server.phase.advance(Phase::Draining);
    let ready = client.get("/health/ready").await;
    assert_eq!(
        (ready.status, ready.json()["status"].as_str()),
        (503, Some("draining"))
    );
    assert_eq!(ready.header("connection"), Some("close"));
    client.closed().await;
}

#[tokio::test]
async fn a_query_narrows_document_and_verdict() {
    let server = Builder {
        dependencies: vec![
            dependency("database", Policy::Required, Status::Error),
            dependency("cache", Policy::Optional, Status::Ok),
        ],
        ..Builder::default()
    }
    .start()
    .await;
    let ready = server.get("/health/ready?name=cache").await;
    assert_eq!(ready.status, 200);
    let checks = ready.json()["checks"].clone();
    assert_eq!(
        checks.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["cache"]
    );

    let both = server.get("/health/ready?name=cache,database").await;
    assert_eq!(both.status, 503);
    assert_eq!(both.json()["status"], "unavailable");

    let unknown = server.get("/health/ready?name=nobody").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(
        unknown.detail(),
        r#"there is no dependency called "nobody""#
    );
}

#[tokio::test]
async fn details_can_be_kept_from_the_api_listener() {
    let mut settings = super::support::settings();
    settings.health_details = HealthDetails::Status;
    let server = Builder {
        settings,
        ..Builder::default()
    }
    .start()
    .await;
    for path in [
        "/health/ready",
        "/health/ready?name=database",
        "/health/ready?verbose",
    ] {
        let ready = server.get(path).await.json();
        let keys: Vec<_> = ready.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["status", "timestamp", "version", "uptime_seconds"]);
    }
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for path in ["/health", "/", "/nowhere"] {
        client
            .send(format!("HEAD {path} HTTP/1.1\r\nhost: t\r\n\r\n"))
            .await;
        let head = client.answer_to("HEAD").await.unwrap();
        let get = client.get(path).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert!(!get.body.is_empty());
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = Server::start().await;
    for path in ["/health/ready", "/", "/health/cache"] {
        let mut client = server.client().await;
        client
            .send(format!("DELETE {path} HTTP/1.1\r\nhost: t\r\n\r\n"))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.detail(), "Method Not Allowed");
        let allow = answer.header("allow").unwrap_or_default();
        assert_eq!(allow.replace(' ', ""), "GET,HEAD", "{path}");
    }
}
