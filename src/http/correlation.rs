//! The id that ties a response to the log lines about its request.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

/// On every response; on a request it names the caller's own id.
pub const HEADER: HeaderName = HeaderName::from_static("x-correlation-id");

const MAX_LENGTH: usize = 128;

/// An id of 1 to 128 characters of `A-Z a-z 0-9 . _ -`, which is safe in a
/// header, a log line and a shell. Handlers find it in a request's extensions.
#[derive(Debug, Clone)]
pub struct CorrelationId(HeaderValue);

impl CorrelationId {
    /// The caller's id when it is a valid one, otherwise a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(HEADER) {
            Some(value) if is_valid(value.as_bytes()) => Self(value.clone()),
            _ => Self::random(),
        }
    }

    fn random() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::new_v4().hyphenated().encode_lower(&mut text);
        match HeaderValue::from_str(text) {
            Ok(value) => Self(value),
            Err(_) => Self(HeaderValue::from_static("unknown")),
        }
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_valid(id: &[u8]) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_LENGTH).contains(&id.len()) && id.iter().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, HeaderValue::from_str(text).unwrap());
            CorrelationId::of(&headers).as_str().to_owned()
        };
        for legal in ["a", "Req_1.2-3", &"x".repeat(128)] {
            assert_eq!(of(legal), legal);
        }
        for illegal in ["", "a b", "a\"b", "a;b", "a%0a", &"x".repeat(129)] {
            let id = of(illegal);
            assert_ne!(id, illegal);
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 4);
        }
    }
}
