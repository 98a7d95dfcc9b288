//! Requests that a proxy may read in another way than this server: whoever
//! makes the two disagree puts a request into somebody else's connection.
//! hyper refuses nearly all of them; these it would take.

use axum::body::Body;
use hyper::header::{HOST, HeaderMap, TRANSFER_ENCODING};
use hyper::{Response, StatusCode};

use super::error;

/// Why a request is not handled, which must be the last of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ambiguous {
    /// A coding beside `chunked` that nobody here understands (RFC 9112,
    /// section 6.1).
    Coding,
    /// More than one `Host` (RFC 9112, section 3.2).
    Host,
}

impl Ambiguous {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let coding = codings.next();
        if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
            || codings.next().is_some()
        {
            return Some(Self::Coding);
        }
        let hosts = headers.get_all(HOST).iter();
        (hosts.count() > 1).then_some(Self::Host)
    }

    pub(super) fn answer(self) -> Response<Body> {
        match self {
            Self::Coding => error::response(
                StatusCode::NOT_IMPLEMENTED,
                "the only transfer coding is chunked",
            ),
            Self::Host => error::response(StatusCode::BAD_REQUEST, "there is more than one host"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_is_said_twice_or_not_understood_is_ambiguous() {
        let of = |lines: &[(HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(name, HeaderValue::from_static(value));
            }
            Ambiguous::of(&headers)
        };
        let coding = |value| (TRANSFER_ENCODING, value);
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[(HOST, "a"), coding("Chunked")]), None);
        assert_eq!(of(&[coding("gzip, chunked")]), Some(Ambiguous::Coding));
        assert_eq!(
            of(&[coding("1.1"), coding("chunked")]),
            Some(Ambiguous::Coding)
        );
        assert_eq!(
            of(&[coding("chunked"), coding("chunked")]),
            Some(Ambiguous::Coding)
        );
        assert_eq!(of(&[(HOST, "a"), (HOST, "a")]), Some(Ambiguous::Host));
    }
}
