//! A collector that takes spans over OTLP/HTTP and keeps them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{PATIENCE, wait};

/// A span as it came.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) span: Span,
    pub(super) resource: Vec<KeyValue>,
    /// The headers of the request that brought it.
    pub(super) headers: HeaderMap,
}

#[derive(Debug)]
pub(super) struct Collector {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    _task: JoinSet<()>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let kept = received.clone();
        let take = async move |headers: HeaderMap, body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            for group in request.resource_spans {
                let resource = group.resource.unwrap_or_default().attributes;
                let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
                kept.lock().unwrap().extend(spans.map(|span| Received {
                    span,
                    resource: resource.clone(),
                    headers: headers.clone(),
                }));
            }
            Vec::new()
        };
        let routes = Router::new().route("/v1/traces", post(take));
        let mut task = JoinSet::new();
        task.spawn(async { axum::serve(listener, routes).await.unwrap() });
        Self {
            port,
            received,
            _task: task,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The span of the request with this correlation id, once it is there.
    pub(super) async fn span(&self, correlation: &str) -> Received {
        wait::until("the span arrives", PATIENCE, async || {
            let received = self.received().into_iter();
            let mut found = received.filter(|received| {
                text(&received.span.attributes, "budgetd.correlation_id") == correlation
            });
            found.next()
        })
        .await
    }
}

/// The value of an attribute, as text.
pub(super) fn text(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
