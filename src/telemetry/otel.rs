//! Spans of requests, exported over OTLP (HTTP, protobuf).
//!
//! That begins only when `OTEL_EXPORTER_OTLP_ENDPOINT` is set. The SDK itself
//! reads this and the other standard variables from the environment. Its own
//! thread sends; what a dead collector does not take is dropped, and nobody
//! waits for it.

use std::env;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter};
use url::Url;

use super::SERVICE;
use super::span::Ended;
use super::trace::TraceContext;

const TRACESTATE: &str = "tracestate";

/// There is one log in a process, and one export.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "cannot use the variable {0}: an address such as http://localhost:4318 is expected, without \
         user, password and query; set credentials with OTEL_EXPORTER_OTLP_HEADERS"
    )]
    Address(&'static str),
    #[error("cannot export spans as the variables OTEL_* say: {0}")]
    Settings(#[from] ExporterBuildError),
}

/// The running export.
#[derive(Debug)]
pub(super) struct Export(SdkTracerProvider);

impl Export {
    /// Starts it, if it is asked for.
    pub(super) fn start(environment: &str) -> Result<Option<Self>, Error> {
        if !is_wanted()? {
            return Ok(None);
        }
        // An error means that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Telling::new(exporter))
            .with_resource(resource(environment))
            .build();
        let _ = TRACER.set(provider.tracer(SERVICE));
        Ok(Some(Self(provider)))
    }

    /// Sends what waits, within `limit`.
    pub(super) fn finish(&self, limit: Duration) {
        // What the collector does not take by now is lost, as what came before.
        let _ = self.0.shutdown_with_timeout(limit);
    }
}

/// Whether any of the standard variables asks for it, and none forbids it.
fn is_wanted() -> Result<bool, Error> {
    let disabled = env::var("OTEL_SDK_DISABLED").unwrap_or_default();
    if disabled.eq_ignore_ascii_case("true") {
        return Ok(false);
    }
    let mut wanted = false;
    for name in super::OTEL_ENDPOINTS {
        let address = env::var_os(name).unwrap_or_default();
        wanted |= !address.is_empty();
        if !address.is_empty() && !address.to_str().is_some_and(is_address) {
            return Err(Error::Address(name));
        }
    }
    Ok(wanted)
}

/// Libraries log addresses as they are, so none may hold a secret.
fn is_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    matches!(url.scheme(), "http" | "https") && url.has_host() && plain
}

/// Who we are; the environment knows better.
fn resource(environment: &str) -> Resource {
    let service = env::var("OTEL_SERVICE_NAME").ok();
    let ours = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", SERVICE),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("deployment.environment.name", environment.to_owned()),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    match service.filter(|name| !name.is_empty()) {
        Some(name) => ours.with_service_name(name).build(),
        None => ours.build(),
    }
}

/// A request that is recorded, unless the sampler says otherwise.
#[derive(Debug)]
pub(super) struct Recorded(Span);

impl Recorded {
    /// `None` when nothing is exported.
    pub(super) fn begin(caller: Option<TraceContext>, headers: &HeaderMap) -> Option<Self> {
        let tracer = TRACER.get()?;
        let parent = match caller {
            Some(caller) => Context::new().with_remote_span_context(remote(caller, headers)),
            None => Context::new(),
        };
        let request = tracer.span_builder("request").with_kind(SpanKind::Server);
        Some(Self(tracer.build_with_context(request, &parent)))
    }

    pub(super) fn context(&self) -> TraceContext {
        let context = self.0.span_context();
        TraceContext {
            trace: u128::from_be_bytes(context.trace_id().to_bytes()),
            span: u64::from_be_bytes(context.span_id().to_bytes()),
            flags: context.trace_flags().to_u8(),
        }
    }

    /// Names and attributes are those of the semantic conventions for HTTP.
    pub(super) fn end(mut self, ended: &Ended<'_>) {
        let method = ended.method.as_str().to_owned();
        self.0.update_name(format!("{method} {}", ended.route));
        let text = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
        self.0.set_attributes([
            KeyValue::new("http.request.method", method),
            text("http.route", ended.route),
            text("url.path", ended.path),
            text("client.address", &ended.client),
            text("budgetd.correlation_id", ended.correlation),
        ]);
        if let Some(status) = ended.status {
            let status = KeyValue::new("http.response.status_code", i64::from(status));
            self.0.set_attribute(status);
        }
        let error = match ended.status {
            Some(status) if status >= 500 => Some(status.to_string()),
            Some(_) => None,
            None => Some("aborted".to_owned()),
        };
        if let Some(error) = error {
            self.0.set_attribute(KeyValue::new("error.type", error));
            self.0.set_status(Status::error(""));
        }
        self.0.end();
    }
}

fn remote(caller: TraceContext, headers: &HeaderMap) -> SpanContext {
    let state = headers
        .get(TRACESTATE)
        .and_then(|value| value.to_str().ok());
    let state: Option<TraceState> = state.and_then(|state| state.parse().ok());
    SpanContext::new(
        TraceId::from(caller.trace),
        SpanId::from(caller.span),
        TraceFlags::new(caller.flags) & TraceFlags::SAMPLED,
        true,
        state.unwrap_or_default(),
    )
}

/// Tells once that spans are lost, and once that they are not any more. What
/// the exporter says of an error holds no address and no header.
#[derive(Debug)]
struct Telling<E> {
    exporter: E,
    failing: AtomicBool,
}

impl<E> Telling<E> {
    fn new(exporter: E) -> Self {
        Self {
            exporter,
            failing: AtomicBool::new(false),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exported = self.exporter.export(batch).await;
        let was_failing = self.failing.swap(exported.is_err(), Relaxed);
        match &exported {
            Err(error) if !was_failing => tracing::warn!(
                event = "trace_export_failed",
                error = %error,
                "cannot send spans to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names: {error}"
            ),
            Ok(()) if was_failing => tracing::info!(
                event = "trace_export_resumed",
                "the collector takes spans again"
            ),
            _ => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
