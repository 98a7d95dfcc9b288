//! What requests of good will get.

use hyper::Method;
use serde_json::Value;

use super::codes;
use crate::support::{Daemon, DaemonOptions, Port, client, wait};

async fn send(
    daemon: &Daemon,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> client::Response {
    client::request(daemon.api(), method, path, headers)
        .await
        .unwrap()
}

#[tokio::test]
async fn methods_and_paths() {
    let daemon = DaemonOptions::default().serve().await;
    for path in [
        "/",
        "/health",
        "/health/live",
        "/health/ready",
        "/health/startup",
        "/health/cache",
    ] {
        let get = send(&daemon, Method::GET, path, &[]).await;
        assert_eq!(get.code, 200, "{path}");
        let head = send(&daemon, Method::HEAD, path, &[]).await;
        assert_eq!((head.code, &*head.body), (200, ""), "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        // The uptime may have grown by a digit.
        assert!(length.abs_diff(get.body.len()) <= 2, "{path}");
        if path.starts_with("/health") {
            assert_eq!(get.header("cache-control"), Some("no-store"), "{path}");
        }
        let delete = send(&daemon, Method::DELETE, path, &[]).await;
        assert_eq!(delete.code, 405, "{path}");
        assert_eq!(delete.json()["detail"], "Method Not Allowed");
        let allow = delete.header("allow").unwrap_or_default().replace(' ', "");
        assert_eq!(allow, "GET,HEAD", "{path}");

        if path.starts_with("/health") {
            let get = daemon.ask(path).await;
            assert_eq!(get.code, 200, "{path} of the admin listener");
            assert_eq!(get.header("cache-control"), Some("no-store"), "{path}");
            let head = client::request(daemon.admin(), Method::HEAD, path, &[]);
            let head = head.await.unwrap();
            assert_eq!((head.code, &*head.body), (200, ""), "{path}");
        }
    }
    for path in [
        "/nowhere",
        "/metrics",
        "/status",
        "/check/cache",
        "/api/v1/nowhere",
        "/health/x",
        "//",
    ] {
        let answer = send(&daemon, Method::GET, path, &[]).await;
        assert_eq!(
            (answer.code, &*answer.body),
            (404, r#"{"detail":"Not Found"}"#),
            "{path}"
        );
    }
    for path in ["/docs", "/openapi.json", "/nowhere"] {
        assert_eq!(
            daemon.ask(path).await.code,
            404,
            "{path} of the admin listener"
        );
    }
}

#[tokio::test]
async fn a_preflight_is_answered_and_strangers_are_not_allowed() {
    let daemon = DaemonOptions::default()
        .variable(
            "ALLOWED_ORIGINS",
            "https://budget.example, https://*.example.app",
        )
        .serve()
        .await;
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            (
                "access-control-request-headers",
                "authorization,content-type",
            ),
        ];
        send(&daemon, Method::OPTIONS, "/api/v1/versions", &headers).await
    };
    for origin in ["https://budget.example", "https://pr-7.example.app"] {
        let answer = preflight(origin).await;
        assert_eq!(answer.code, 200);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        assert!(
            answer
                .header("access-control-allow-methods")
                .unwrap()
                .contains("PUT")
        );
        let allowed = answer.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("authorization"));
        let read = send(&daemon, Method::GET, "/health/ready", &[("origin", origin)]).await;
        assert_eq!(read.header("access-control-allow-origin"), Some(origin));
    }
    for origin in ["https://evil.example", "https://a.b.example.app", "null"] {
        assert_eq!(
            preflight(origin)
                .await
                .header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
}

#[tokio::test]
async fn correlation_ids_are_taken_over_when_they_are_harmless() {
    let mut daemon = DaemonOptions::default().serve().await;
    let echoed = async |id: &str| {
        let answer = send(
            &daemon,
            Method::GET,
            "/nowhere",
            &[("x-correlation-id", id)],
        )
        .await;
        answer.header("x-correlation-id").unwrap().to_owned()
    };
    assert_eq!(echoed("Req_1.2-3").await, "Req_1.2-3");
    let long = "x".repeat(129);
    for id in ["", "a b", "a\"b", "a;b", "<script>", &long] {
        let fresh = echoed(id).await;
        assert!(fresh != id && fresh.len() == 36, "{id:?} became {fresh:?}");
    }
    let line = daemon.event("request_completed").await;
    assert_eq!(line["correlation_id"], "Req_1.2-3");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/nowhere");
    assert_eq!(line["status_code"], 404);
}

/// The clients of `/` as they were logged, once there are so many.
async fn clients(daemon: &Daemon, count: usize) -> Vec<Value> {
    wait::until("the requests are logged", wait::PATIENCE, async || {
        let lines = daemon.lines_of("request_completed");
        (lines.len() >= count).then(|| {
            lines
                .iter()
                .map(|line| line["client_host"].clone())
                .collect()
        })
    })
    .await
}

#[tokio::test]
async fn forwarded_for_is_believed_from_trusted_proxies_only() {
    let forged = [("x-forwarded-for", "203.0.113.9, 198.51.100.7")];
    let daemon = DaemonOptions::default().serve().await;
    send(&daemon, Method::GET, "/", &forged).await;
    assert_eq!(clients(&daemon, 1).await, ["127.0.0.1"]);

    let daemon = DaemonOptions::default()
        .config("[api]\ntrusted_proxies = ['127.0.0.0/8', '10.0.0.0/8']")
        .serve()
        .await;
    send(&daemon, Method::GET, "/", &forged).await;
    send(
        &daemon,
        Method::GET,
        "/",
        &[("x-forwarded-for", "198.51.100.8, 10.1.2.3")],
    )
    .await;
    send(
        &daemon,
        Method::GET,
        "/",
        &[("x-forwarded-for", "rubbish\"}")],
    )
    .await;
    assert_eq!(
        clients(&daemon, 3).await,
        ["198.51.100.7", "198.51.100.8", "127.0.0.1"]
    );
}

#[tokio::test]
async fn readiness_can_be_narrowed() {
    let gone = Port::reserve();
    let daemon = DaemonOptions::default()
        .cache(&format!("redis://localhost:{}", gone.number()))
        .serve()
        .await;
    daemon.until_status("cache", "error").await;
    let ask = async |query: &str| {
        let answer = daemon.get(&format!("/health/ready{query}")).await.unwrap();
        (answer.code, answer.json())
    };
    let (code, document) = ask("?name=supabase_auth").await;
    assert_eq!((code, &document["status"]), (200, &"ok".into()));
    assert_eq!(document["checks"].as_object().unwrap().len(), 1);

    let (code, document) = ask("?name=cache,supabase_auth&name=cache").await;
    assert_eq!((code, &document["status"]), (200, &"degraded".into()));
    assert_eq!(document["checks"].as_object().unwrap().len(), 2);

    let (code, document) = ask("?verbose").await;
    assert_eq!(code, 200);
    assert_eq!(document["checks"].as_object().unwrap().len(), 3);

    assert_eq!(ask("?name=%00nobody%22").await.0, 404);
    assert_eq!(ask("?%ff=%zz&&=&").await.0, 200);
}

#[tokio::test]
async fn with_many_dependencies_readiness_counts() {
    use std::fmt::Write;

    let gone = Port::reserve();
    let mut config = "[checks]\ninterval = '1m'\nfall = 1\n".to_owned();
    for number in 0..120 {
        let _ = write!(
            config,
            "[dependencies.d{number}]\nkind = 'tcp'\nurl = 'tcp://127.0.0.1:{}'\npolicy = '{}'\n",
            gone.number(),
            if number < 5 { "optional" } else { "disabled" },
        );
    }
    let daemon = DaemonOptions::default().config(&config).serve().await;
    let counts = wait::until("five are down", wait::PATIENCE, async || {
        let (_, document) = daemon.readiness().await;
        (document["counts"]["error"] == 5).then_some(document)
    })
    .await;
    assert_eq!(counts["counts"]["total"], 123);
    assert_eq!(counts["counts"]["disabled"], 116);
    assert_eq!(counts["checks"].as_object().unwrap().len(), 3 + 5);
    let all = daemon.get("/health/ready?verbose").await.unwrap().json();
    assert_eq!(all["checks"].as_object().unwrap().len(), 123);
}

#[tokio::test]
async fn while_draining_every_answer_closes_its_connection() {
    let mut daemon = DaemonOptions::default()
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "1m")
        .serve()
        .await;
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.until_overall("draining").await, 503);
    for path in ["/", "/health", "/health/ready", "/nowhere"] {
        // It ends although nobody asked it to.
        let request = format!("GET {path} HTTP/1.1\r\nhost: t\r\n\r\n");
        let answer = client::raw(daemon.api(), request).await;
        assert_eq!(codes(&answer).len(), 1, "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    daemon.signal(rustix::process::Signal::INT);
    assert_eq!(daemon.exit().await, 130);
}
