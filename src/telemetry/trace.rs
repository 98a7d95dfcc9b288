//! Trace context as W3C has it (<https://www.w3.org/TR/trace-context/>): which
//! trace a request belongs to, and which part of it is ours.

use std::fmt;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// On requests: the caller's place in a trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// On responses: our place in the trace. W3C has it as a draft.
pub const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// A place in a trace. None of its ids is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    pub(super) trace: u128,
    pub(super) span: u64,
    /// Bit 0 says that the caller may be recording.
    pub(super) flags: u8,
}

impl TraceContext {
    /// The caller's place, if it sends one and a valid one. Of several, none is
    /// to be believed.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).into_iter();
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        Self::parse(value.as_bytes())
    }

    /// A later version may append fields and keeps the first four.
    fn parse(text: &[u8]) -> Option<Self> {
        let (known, rest) = text.split_at_checked(LENGTH)?;
        let well_formed = [2, 35, 52].iter().all(|at| known[*at] == b'-')
            && match hexadecimal(&known[..2])? {
                0 => rest.is_empty(),
                0xff => false,
                _ => rest.is_empty() || rest[0] == b'-',
            };
        let context = Self {
            trace: hexadecimal(&known[3..35])?,
            span: u64::try_from(hexadecimal(&known[36..52])?).ok()?,
            flags: u8::try_from(hexadecimal(&known[53..])?).ok()?,
        };
        (well_formed && context.trace != 0 && context.span != 0).then_some(context)
    }

    /// The beginning of a trace that nobody records.
    pub fn root() -> Self {
        Self {
            trace: rand::random_range(1..=u128::MAX),
            span: new_span(),
            flags: 0,
        }
    }

    /// A part of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span: new_span(),
            ..self
        }
    }

    /// What a request of ours to someone else says: it is part of the request
    /// that is being answered, or of a trace of its own. No server need record
    /// the latter: health checks come every few seconds.
    pub fn outgoing() -> Self {
        let current = CURRENT.try_with(|context| *context);
        current.map_or_else(|_| Self::root(), Self::child)
    }

    /// The log lines of `work` tell of this place.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The same for what is done at once.
    pub fn within<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }

    /// The place that log lines tell of now.
    pub(super) fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    pub(super) fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    pub(super) fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the flags, only those that version 00 knows are passed on.
        let flags = self.flags & 1;
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

impl From<TraceContext> for HeaderValue {
    fn from(context: TraceContext) -> Self {
        let text = context.to_string();
        Self::try_from(text).expect("digits and dashes are legal")
    }
}

fn new_span() -> u64 {
    rand::random_range(1..=u64::MAX)
}

/// Lower case is the only legal one.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(values: &[&str]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn the_caller_s_place_is_read_and_said_again() {
        let context = of(&[VALID]).unwrap();
        assert_eq!(context.to_string(), VALID);
        assert_eq!(context.trace_id(), TRACE);
        assert_eq!(context.span_id(), "00f067aa0ba902b7");
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let context = of(&[VALID]);
        let later = VALID.replacen("00", "cc", 1);
        assert_eq!(of(&[&later]), context);
        assert_eq!(of(&[&format!("{later}-what-the-future-brings")]), context);
        // A flag that is not known is not passed on.
        let flags = of(&[&VALID.replace("-01", "-03")]).unwrap();
        assert_eq!(flags.to_string(), VALID);
    }

    #[test]
    fn what_is_not_valid_counts_for_nothing() {
        let long = format!("{VALID}-00");
        let later = VALID.replacen("00", "cc", 1);
        let later_and_longer = format!("{later}.future");
        let two = format!("{VALID}, {VALID}");
        for wrong in [
            "",
            "00",
            &VALID[..54],
            &long,
            &later_and_longer,
            &two,
            &VALID.replacen("00", "ff", 1),
            &VALID.to_uppercase(),
            &VALID.replace(TRACE, &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace("-01", "-0g"),
            &VALID.replace('-', "_"),
            // Each of the right length, and the fields of none.
            &VALID.replace("36-00", "3-600"),
            &VALID.replacen("00-4", "0-04", 1),
        ] {
            assert_eq!(of(&[wrong]), None, "{wrong}");
        }
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[VALID, VALID]), None);
    }

    #[test]
    fn a_child_belongs_to_the_trace_and_a_root_to_none() {
        let parent = of(&[VALID]).unwrap();
        let child = parent.child();
        assert_eq!((child.trace, child.flags), (parent.trace, parent.flags));
        assert_ne!(child.span, parent.span);
        let root = TraceContext::root();
        assert_ne!(root.trace, TraceContext::root().trace);
        assert!(root.to_string().ends_with("-00"));
    }

    #[tokio::test]
    async fn requests_of_ours_belong_to_what_is_being_answered() {
        let context = TraceContext::root();
        let outgoing = context.scope(async { TraceContext::outgoing() }).await;
        assert_eq!(outgoing.trace, context.trace);
        assert_ne!(outgoing.span, context.span);
        assert_ne!(TraceContext::outgoing().trace, context.trace);
        assert_eq!(context.within(TraceContext::current), Some(context));
        assert_eq!(TraceContext::current(), None);
    }
}
