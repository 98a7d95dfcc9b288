//! Spans of requests for an OpenTelemetry collector: a build with the feature
//! `otel` sends them, any other says that it does not.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

#[cfg(feature = "otel")]
mod collector;

#[cfg(feature = "otel")]
mod export;

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_build_without_the_feature_says_that_it_exports_nothing() {
    let mut daemon = crate::support::DaemonOptions::default()
        .variable(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://user:sesame@localhost:4318",
        )
        .serve()
        .await;
    let told = daemon.event("config_warning").await;
    let message = told["message"].as_str().unwrap();
    assert!(
        message.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT is ignored: "),
        "{message}"
    );
    assert!(!daemon.everything().contains("sesame"));
}
