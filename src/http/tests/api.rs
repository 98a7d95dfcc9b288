use axum::Router;
use axum::routing::get;

use super::support::{Builder, Server, dependency, snapshot};
use crate::dependency::Policy;
use crate::health::Status;

#[tokio::test]
async fn the_api_welcomes_and_documents_itself() {
    let server = Server::start().await;
    assert_eq!(
        server.get("/").await.body,
        concat!(
            r#"{"message":"EFIR Budget Planning API","version":""#,
            env!("CARGO_PKG_VERSION"),
            r#"","docs":"/docs","health":"/health"}"#
        )
    );

    let document = server.get("/openapi.json").await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["info"]["title"], "EFIR Budget Planning API");
    for path in [
        "/health",
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/health/cache",
    ] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    assert_eq!(
        server.get("/health/cache").await.json()["status"],
        "disabled"
    );
}

#[tokio::test]
async fn the_documentation_page_needs_no_internet() {
    let server = Server::start().await;
    assert_eq!(server.get("/docs").await.header("location"), Some("/docs/"));
    let mut client = server.client().await;
    client
        .send("GET /docs/ HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
        .await;
    let page = client.answer().await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-encoding"), None);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn errors_are_json() {
    let server = Server::start().await;
    for path in [
        "/nowhere",
        "/api/v1/nowhere",
        "/api/v1",
        "/api/v1/",
        "/docs/nowhere.js",
        "/health/",
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body, r#"{"detail":"Not Found"}"#, "{path}");
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("application/json"), "{path}");
    }
}

#[tokio::test]
async fn api_requests_are_turned_away_while_a_required_dependency_is_down() {
    let mut server = Builder {
        v1: Router::new().route("/budgets", get(async || "[]")),
        ..Builder::default()
    }
    .start()
    .await;
    assert_eq!(server.get("/api/v1/budgets").await.status, 200);

    let down = dependency("database", Policy::Required, Status::Error);
    server.health.publish(snapshot(vec![down]));
    for path in ["/api/v1/budgets", "/api/v1/nowhere"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        let retry_after: u8 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=5).contains(&retry_after));
        assert_eq!(answer.detail(), "a required dependency is not available");
    }
    assert_eq!(server.get("/").await.status, 200);
}

#[tokio::test]
async fn every_response_names_its_request() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for path in [
        "/health",
        "/health/ready?name=nobody",
        "/",
        "/nowhere",
        "/api/v1/x",
    ] {
        let fresh = client.get(path).await;
        assert_eq!(
            fresh.header("x-correlation-id").unwrap().len(),
            36,
            "{path}"
        );
        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nhost: t\r\nx-correlation-id: mine-1\r\n\r\n"
            ))
            .await;
        let named = client.answer().await;
        assert_eq!(named.header("x-correlation-id"), Some("mine-1"), "{path}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_anything_else() {
    let mut server = Server::start().await;
    let down = dependency("database", Policy::Required, Status::Error);
    server.health.publish(snapshot(vec![down]));
    let mut client = server.client().await;
    client
        .send(
            "OPTIONS /api/v1/budgets HTTP/1.1\r\nhost: t\r\norigin: http://localhost:5173\r\n\
             access-control-request-method: PUT\r\naccess-control-request-headers: authorization\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin, Some("http://localhost:5173"));
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization")
    );
    assert!(
        answer
            .header("access-control-allow-methods")
            .unwrap()
            .contains("PUT")
    );
    assert!(answer.header("x-correlation-id").is_some());
}

#[tokio::test]
async fn browsers_may_read_errors_and_health_too() {
    let mut server = Server::start().await;
    let down = dependency("database", Policy::Required, Status::Error);
    server.health.publish(snapshot(vec![down]));
    let mut client = server.client().await;
    for (path, status) in [
        ("/api/v1/x", 503),
        ("/nowhere", 404),
        ("/health/ready", 503),
        ("/health", 200),
    ] {
        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nhost: t\r\norigin: http://localhost:5173\r\n\r\n"
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{path}");
        let origin = answer.header("access-control-allow-origin");
        assert_eq!(origin, Some("http://localhost:5173"), "{path}");

        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nhost: t\r\norigin: http://evil.example\r\n\r\n"
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn allowed_origins_can_be_reloaded() {
    let server = Server::start().await;
    let mut settings = super::support::settings();
    settings.allowed_origins = vec![crate::config::Origin::Any];
    server.settings.store(settings.into());
    let mut client = server.client().await;
    client
        .send("GET / HTTP/1.1\r\nhost: t\r\norigin: http://evil.example\r\n\r\n")
        .await;
    let answer = client.answer().await;
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin, Some("http://evil.example"));
}

#[tokio::test]
async fn a_panic_costs_one_response() {
    let server = Builder {
        v1: Router::new().route("/broken", get(async || -> &'static str { panic!("a bug") })),
        ..Builder::default()
    }
    .start()
    .await;
    let mut client = server.client().await;
    let answer = client.get("/api/v1/broken").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, r#"{"detail":"Internal Server Error"}"#);
    assert_eq!(
        client.get("/health").await.status,
        200,
        "the connection lives"
    );
}
