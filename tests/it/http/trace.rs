//! Trace context: taken from requests, said in responses, log lines, and
//! requests of budgetd's own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::client::{self, Response};
use crate::support::{AuthApi, Daemon, DaemonOptions, PATIENCE, wait};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

async fn ask(daemon: &Daemon, path: &str, headers: &[(&str, &str)]) -> Response {
    client::request(daemon.api(), hyper::Method::GET, path, headers)
        .await
        .unwrap()
}

/// Trace and span of a context, which is of version 00 and well-formed.
fn ids(context: &str) -> (String, String) {
    let fields: Vec<&str> = context.split('-').collect();
    let [version, trace, span, flags] = fields[..] else {
        panic!("{context} has not four fields");
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert_eq!(
        (version, trace.len(), span.len(), flags.len()),
        ("00", 32, 16, 2)
    );
    assert!(digits(trace) && digits(span) && digits(flags), "{context}");
    (trace.to_owned(), span.to_owned())
}

async fn line_about(daemon: &mut Daemon, correlation: &str) -> Value {
    wait::until("the request is logged", PATIENCE, async || {
        let mut lines = daemon.lines_of("request_completed");
        lines.retain(|line| line["correlation_id"] == correlation);
        lines.pop()
    })
    .await
}

#[tokio::test]
async fn a_request_belongs_to_the_trace_that_its_caller_names() {
    let mut daemon = DaemonOptions::default().serve().await;
    for (flags, correlation) in [("01", "sampled"), ("00", "not-sampled")] {
        let traceparent = format!("00-{TRACE}-{SPAN}-{flags}");
        let headers = [
            ("traceparent", traceparent.as_str()),
            ("x-correlation-id", correlation),
        ];
        let answer = ask(&daemon, "/", &headers).await;
        let said = answer.header("traceresponse").unwrap();
        let (trace, span) = ids(said);
        assert_eq!(trace, TRACE);
        assert_ne!(span, SPAN);
        assert!(said.ends_with(&format!("-{flags}")), "{said}");
        let line = line_about(&mut daemon, correlation).await;
        assert_eq!(line["trace_id"], trace);
        assert_eq!(line["span_id"], span);
    }
}

#[tokio::test]
async fn without_a_valid_one_each_request_begins_a_trace() {
    let mut daemon = DaemonOptions::default().serve().await;
    let mut traces = BTreeSet::new();
    let wrong = format!("00-{TRACE}-{}-01", "0".repeat(16));
    for (traceparent, correlation) in [(None, "a"), (None, "b"), (Some(&wrong), "c")] {
        let mut headers = vec![("x-correlation-id", correlation)];
        headers.extend(traceparent.map(|value| ("traceparent", value.as_str())));
        let answer = ask(&daemon, "/", &headers).await;
        let (trace, _) = ids(answer.header("traceresponse").unwrap());
        assert_eq!(
            line_about(&mut daemon, correlation).await["trace_id"],
            trace
        );
        traces.insert(trace);
    }
    assert_eq!(traces.len(), 3);
    assert!(!traces.contains(TRACE));
    // Health belongs to no trace: a poll is to cost nothing.
    let answer = ask(&daemon, "/health/ready", &[]).await;
    assert_eq!(answer.header("traceresponse"), None);
}

#[tokio::test]
async fn requests_of_its_own_belong_to_traces_that_nobody_need_record() {
    let auth = AuthApi::start().await;
    let daemon = DaemonOptions::default()
        .brisk()
        .variable("SUPABASE_URL", &auth.url())
        .serve()
        .await;
    daemon.until_status("supabase_auth", "ok").await;
    let keys = "/auth/v1/.well-known/jwks.json";
    let requests = wait::until("checks and a fetch of the keys", PATIENCE, async || {
        let requests = auth.requests();
        let fetched = requests.iter().any(|request| request.path == keys);
        (fetched && requests.len() > 3).then_some(requests)
    })
    .await;
    let mut traces = BTreeSet::new();
    for request in &requests {
        let traceparent = request.header("traceparent").unwrap();
        assert!(traceparent.ends_with("-00"), "{traceparent}");
        traces.insert(ids(traceparent).0);
    }
    assert_eq!(traces.len(), requests.len());
}
