//! The part that one request has in a trace. A build with the feature `otel`
//! exports it when the request has ended, if that is asked for.

use http::{HeaderMap, Method};

use super::trace::TraceContext;

/// From the beginning of a request to its end. Empty when nobody wants it.
#[derive(Debug)]
pub struct Span {
    #[cfg(feature = "otel")]
    recorded: Option<Box<super::otel::Recorded>>,
}

/// What a request was.
#[derive(Debug)]
pub struct Ended<'a> {
    pub method: &'a Method,
    /// The pattern that matched.
    pub route: &'a str,
    pub path: &'a str,
    pub client: String,
    pub correlation: &'a str,
    /// `None` if there was no response.
    pub status: Option<u16>,
}

impl Span {
    /// Continues the trace that the caller names, or begins one. What is
    /// routine is in nobody's interest and never exported.
    pub fn begin(headers: &HeaderMap, is_routine: bool) -> (TraceContext, Self) {
        let caller = TraceContext::of(headers);
        #[cfg(feature = "otel")]
        if !is_routine && let Some(recorded) = super::otel::Recorded::begin(caller, headers) {
            let recorded = Box::new(recorded);
            return (
                recorded.context(),
                Self {
                    recorded: Some(recorded),
                },
            );
        }
        #[cfg(not(feature = "otel"))]
        let _ = is_routine;
        (
            caller.map_or_else(TraceContext::root, TraceContext::child),
            Self {
                #[cfg(feature = "otel")]
                recorded: None,
            },
        )
    }

    /// `tell` is asked only when somebody wants to know.
    pub fn end<'a>(&mut self, tell: impl FnOnce() -> Ended<'a>) {
        #[cfg(feature = "otel")]
        if let Some(recorded) = self.recorded.take() {
            recorded.end(&tell());
        }
        #[cfg(not(feature = "otel"))]
        let _ = tell;
    }
}
