//! What is logged and counted. The subscriber belongs to this thread,
//! where the whole test runs.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::registry::Registry;
use tracing_subscriber::fmt::MakeWriter;

use super::support::Builder;
use crate::http::metrics::Metrics;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn requests_are_counted_by_pattern_and_known_methods() {
    let mut registry = Registry::default();
    let server = Builder {
        v1: Router::new().route("/budgets/{id}", get(async || "{}")),
        metrics: Metrics::register(&mut registry),
        ..Builder::default()
    }
    .start()
    .await;
    let mut client = server.client().await;
    for path in [
        "/health/ready",
        "/api/v1/budgets/17",
        "/api/v1/budgets/18",
        "/secret/x",
    ] {
        client.get(path).await;
    }
    client.send("BREW / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    client.answer().await;

    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    for line in [
        r#"budgetd_http_requests_total{listener="api",route="/health/ready",method="GET",code="200"} 1"#,
        r#"budgetd_http_requests_total{listener="api",route="/api/v1/budgets/{id}",method="GET",code="200"} 2"#,
        r#"budgetd_http_requests_total{listener="api",route="unmatched",method="GET",code="404"} 1"#,
        r#"budgetd_http_requests_total{listener="api",route="/",method="other",code="405"} 1"#,
        r#"budgetd_http_requests_in_flight{listener="api"} 0"#,
        r#"budgetd_http_connections{listener="api"} 1"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains("BREW"));
}

#[tokio::test]
async fn a_request_is_one_line_without_its_query() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _installed = tracing::subscriber::set_default(subscriber);
    let mut builder = Builder {
        v1: Router::new().route("/broken", get(async || -> &'static str { panic!("a bug") })),
        ..Builder::default()
    };
    builder.settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let server = builder.start().await;
    let mut client = server.client().await;
    // Tests on other threads have no subscriber, and one of them that meets a
    // call site first may just be switching it off for all.
    while !lines.text().contains("request_completed") {
        tracing::callsite::rebuild_interest_cache();
        client.get("/").await;
    }
    lines.0.lock().unwrap().clear();
    for path in [
        "/?token=hunter2",
        "/api/v1/broken",
        "/health",
        "/health/cache",
    ] {
        client
            .send(format!(
                "GET {path} HTTP/1.1\r\nhost: t\r\nx-correlation-id: mine\r\nx-forwarded-for: 192.0.2.7\r\n\r\n"
            ))
            .await;
        client.answer().await;
    }
    let text = lines.text();
    let about = |event: &str| -> Vec<_> {
        let needle = format!("event=\"{event}\"");
        text.lines()
            .filter(|line| line.contains(&needle))
            .map(str::to_owned)
            .collect()
    };
    let completed = about("request_completed");
    assert_eq!(completed.len(), 2, "{text}");
    for field in [
        "correlation_id=\"mine\"",
        "method=GET",
        "path=\"/\"",
        "client_host=192.0.2.7",
        "status_code=200",
        "duration_ms=",
    ] {
        assert!(completed[0].contains(field), "{field}: {}", completed[0]);
    }
    assert!(completed[1].contains("status_code=500"));
    let failed = about("request_failed");
    assert_eq!(failed.len(), 1);
    assert!(failed[0].contains("error_type=\"panic\""));
    assert!(!text.contains("hunter2") && !text.contains("/health"));
}
