//! One JSON object a line: the fields that every line has, then the event's
//! own, flat.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::trace::TraceContext;

/// The event of a line that a library wrote.
const LIBRARY_EVENT: &str = "library_message";

#[derive(Debug)]
pub(super) struct Lines {
    service: &'static str,
    environment: String,
}

impl Lines {
    pub(super) fn new(service: &'static str, environment: &str) -> Self {
        Self {
            service,
            environment: environment.to_owned(),
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let mut own = fields.0;

        let mut line = Map::new();
        let level = metadata.level().as_str().to_ascii_lowercase();
        line.insert("timestamp".into(), timestamp(Timestamp::now()).into());
        line.insert("level".into(), level.into());
        let event = own.shift_remove("event").unwrap_or_else(|| {
            own.insert("target".into(), metadata.target().into());
            LIBRARY_EVENT.into()
        });
        line.insert("event".into(), event);
        let message = own.shift_remove("message").unwrap_or_else(|| "".into());
        line.insert("message".into(), message);
        line.insert("service".into(), self.service.into());
        line.insert("environment".into(), self.environment.as_str().into());
        if let Some(context) = TraceContext::current() {
            line.insert("trace_id".into(), context.trace_id().into());
            line.insert("span_id".into(), context.span_id().into());
        }
        for (name, value) in own {
            line.entry(name).or_insert(value);
        }
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// RFC 3339 in UTC with milliseconds.
fn timestamp(at: Timestamp) -> String {
    format!("{at:.3}")
}

struct Fields(Map<String, Value>);

impl Fields {
    fn insert(&mut self, field: &Field, value: Value) {
        // What the bridge from the `log` crate adds says nothing new.
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(write: impl FnOnce()) -> Vec<Map<String, Value>> {
        let captured = Captured::default();
        let writer = captured.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(Lines::new("budgetd", "test"));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, write);
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_the_fields_of_all_lines_first_and_its_own_flat() {
        let lines = lines(|| {
            let latency: Option<f64> = None;
            tracing::warn!(
                event = "dependency_down",
                dependency = %"cache",
                attempt = 3_u64,
                latency_ms = latency,
                environment = "forged",
                "cache is down:\n\"refused\""
            );
        });
        let keys: Vec<&str> = lines[0].keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "timestamp",
                "level",
                "event",
                "message",
                "service",
                "environment",
                "dependency",
                "attempt"
            ]
        );
        assert_eq!(lines[0]["level"], "warn");
        assert_eq!(lines[0]["message"], "cache is down:\n\"refused\"");
        assert_eq!(lines[0]["environment"], "test");
        assert_eq!(lines[0]["attempt"], 3);
    }

    #[test]
    fn a_library_s_line_says_where_it_comes_from() {
        let lines = lines(|| tracing::info!("hello"));
        assert_eq!(lines[0]["event"], LIBRARY_EVENT);
        assert!(
            lines[0]["target"]
                .as_str()
                .unwrap()
                .starts_with("budgetd::")
        );
    }

    #[test]
    fn lines_about_a_request_say_to_which_trace_it_belongs() {
        let context = TraceContext::root();
        let lines = lines(|| {
            context.within(|| tracing::info!(event = "request_completed", "inside"));
            tracing::info!(event = "request_completed", "outside");
        });
        assert_eq!(lines[0]["trace_id"], context.trace_id());
        assert_eq!(lines[0]["span_id"], context.span_id());
        assert!(!lines[1].contains_key("trace_id"));
    }

    #[test]
    fn timestamps_have_milliseconds_and_utc() {
        let at: Timestamp = "2026-01-01T01:00:00.1239+01:00".parse().unwrap();
        assert_eq!(timestamp(at), "2026-01-01T00:00:00.123Z");
        assert_eq!(timestamp(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}
