//! What a collector gets, and what becomes of a daemon whose collector is
//! gone.

use hyper::Method;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rustix::process::Signal;

use super::collector::{Collector, text};
use crate::support::{Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Port, client, wait};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn exporting_to(url: &str) -> DaemonOptions {
    DaemonOptions::default()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .variable("OTEL_BSP_SCHEDULE_DELAY", "50")
}

async fn ask(daemon: &Daemon, path: &str, correlation: &str, flags: &str) -> String {
    let traceparent = format!("00-{TRACE}-{SPAN}-{flags}");
    let headers = [
        ("traceparent", traceparent.as_str()),
        ("tracestate", "vendor=opaque"),
        ("x-correlation-id", correlation),
    ];
    let answer = client::request(daemon.api(), Method::GET, path, &headers).await;
    let answer = answer.unwrap();
    answer
        .header("traceresponse")
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_request_arrives_as_a_span_of_its_caller_s_trace() {
    let collector = Collector::start().await;
    let daemon = exporting_to(&collector.url())
        .variable("ENVIRONMENT", "staging")
        .variable("OTEL_RESOURCE_ATTRIBUTES", "host.name=here")
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer sesame")
        .serve()
        .await;
    let said = ask(&daemon, "/?token=hunter2", "found", "01").await;
    ask(&daemon, "/health/ready", "health", "01").await;
    ask(&daemon, "/nowhere", "missing", "01").await;

    let received = collector.span("found").await;
    let span = &received.span;
    let trace = u128::from_str_radix(TRACE, 16).unwrap();
    let parent = u64::from_str_radix(SPAN, 16).unwrap();
    let id = u64::from_be_bytes(span.span_id[..].try_into().unwrap());
    assert_eq!(span.trace_id, trace.to_be_bytes());
    assert_eq!(span.parent_span_id, parent.to_be_bytes());
    assert_eq!(said, format!("00-{TRACE}-{id:016x}-01"));
    assert_eq!(span.trace_state, "vendor=opaque");
    assert_eq!(span.name, "GET /");
    assert_eq!(span.kind(), SpanKind::Server);
    assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/"),
        ("url.path", "/"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(text(&span.attributes, key), value, "{key}");
    }
    for (key, value) in [
        ("service.name", "budgetd"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("deployment.environment.name", "staging"),
        ("host.name", "here"),
    ] {
        assert_eq!(text(&received.resource, key), value, "{key}");
    }
    assert_eq!(received.headers["authorization"], "Bearer sesame");
    assert!(!format!("{span:?}").contains("hunter2"));

    let missing = collector.span("missing").await.span;
    assert_eq!(missing.name, "GET unmatched");
    assert_eq!(
        text(&missing.attributes, "http.response.status_code"),
        "404"
    );
    // A mistake of the client is no error of ours.
    let status = missing.status.unwrap_or_default();
    assert_eq!(status.code(), StatusCode::Unset);
    // Health was asked before, and its span would have come before.
    assert_eq!(collector.received().len(), 2);
}

#[tokio::test]
async fn what_the_caller_does_not_record_is_not_exported_and_a_stop_sends_the_rest() {
    let collector = Collector::start().await;
    let mut daemon = exporting_to(&collector.url())
        // Only the stop comes before that.
        .variable("OTEL_BSP_SCHEDULE_DELAY", "3600000")
        .serve()
        .await;
    let said = ask(&daemon, "/", "not-sampled", "00").await;
    assert!(said.starts_with(&format!("00-{TRACE}-")) && said.ends_with("-00"));
    ask(&daemon, "/", "sampled", "01").await;
    assert_eq!(collector.received().len(), 0);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    collector.span("sampled").await;
    assert_eq!(collector.received().len(), 1);
}

/// Spans are nobody's reason to wait: a request takes as long as ever, and so
/// does a stop.
async fn nothing_waits_for(daemon: &mut Daemon) {
    // More than the exporter keeps.
    for _ in 0..5 {
        let many = "GET / HTTP/1.1\r\nhost: t\r\n\r\n".repeat(500);
        let many = format!("{many}GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n");
        let answers = client::raw(daemon.api(), &many).await;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 501);
    }
    daemon.signal(Signal::TERM);
    // Much less than the exporter would wait.
    assert_eq!(daemon.exit_within(PATIENCE).await, 0);
}

#[tokio::test]
async fn a_collector_that_is_not_there_is_told_of_once() {
    let port = Port::reserve();
    let mut daemon = exporting_to(&format!("http://localhost:{}", port.number()))
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer sesame")
        .variable(
            "BUDGETD__LOG__LEVEL",
            "info,reqwest=trace,hyper_util=trace,opentelemetry=trace",
        )
        .serve()
        .await;
    ask(&daemon, "/", "a", "01").await;
    let told = daemon.event("trace_export_failed").await;
    assert_eq!(told["level"], "warn");
    nothing_waits_for(&mut daemon).await;
    assert_eq!(daemon.lines_of("trace_export_failed").len(), 1);
    assert!(
        !daemon.everything().contains("sesame"),
        "{}",
        daemon.everything()
    );
}

#[tokio::test]
async fn a_collector_that_is_silent_delays_nothing() {
    let collector = Collector::start().await;
    let port = collector.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = FaultProxy::in_front_of(port).await;
    let mut daemon = exporting_to(&format!("http://localhost:{}", proxy.port()))
        .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")
        .serve()
        .await;
    ask(&daemon, "/", "before", "01").await;
    collector.span("before").await;
    proxy.set(Mode::Stall).await;
    nothing_waits_for(&mut daemon).await;
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_spans_again() {
    let collector = Collector::start().await;
    let port = collector.url().rsplit(':').next().unwrap().parse().unwrap();
    let proxy = FaultProxy::in_front_of(port).await;
    proxy.set(Mode::Refuse).await;
    let mut daemon = exporting_to(&format!("http://localhost:{}", proxy.port()))
        .serve()
        .await;
    ask(&daemon, "/", "lost", "01").await;
    daemon.event("trace_export_failed").await;
    proxy.set(Mode::Pass).await;
    let mut nth = 0;
    wait::until("it is told of", PATIENCE, async || {
        nth += 1;
        ask(&daemon, "/", &format!("again-{nth}"), "01").await;
        (!daemon.lines_of("trace_export_resumed").is_empty()).then_some(())
    })
    .await;
    collector.span("again-1").await;
}

#[tokio::test]
async fn an_address_that_is_none_or_holds_a_secret_is_refused() {
    for address in [
        "sesame is no address",
        "sesame:4318",
        "http://user:sesame@localhost:4318",
        "http://localhost:4318?token=sesame",
    ] {
        let mut daemon = exporting_to(address).start();
        assert_eq!(daemon.exit().await, 78, "{address}");
        let said = daemon.everything();
        assert!(
            said.contains(
                "cannot use the variable OTEL_EXPORTER_OTLP_ENDPOINT: an address such as"
            ),
            "{said}"
        );
        assert!(!said.contains("sesame"), "{said}");
    }
}
