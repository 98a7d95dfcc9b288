//! Requests that a proxy may read in another way than this server: whoever
//! makes the two disagree puts a request into somebody else's connection.
//! hyper refuses nearly all of them; these it would take.

use std::net::Ipv6Addr;

use axum::body::Body;
use hyper::header::{HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use hyper::{Response, StatusCode, Version};

use super::error;

/// Why a request is not handled, which must be the last of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ambiguous {
    /// A coding beside `chunked` that nobody here understands (RFC 9112,
    /// section 6.1).
    Coding,
    /// More than one `Host` (RFC 9112, section 3.2, for all three).
    ManyHosts,
    /// None, which only HTTP/1.0 may leave out: plain checks of balancers do.
    NoHost,
    /// One that names no host.
    BadHost,
}

impl Ambiguous {
    pub(super) fn of(version: Version, headers: &HeaderMap) -> Option<Self> {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let coding = codings.next();
        if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
            || codings.next().is_some()
        {
            return Some(Self::Coding);
        }
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (None, _) => (version > Version::HTTP_10).then_some(Self::NoHost),
            (Some(host), None) => (!is_host(host)).then_some(Self::BadHost),
            (Some(_), Some(_)) => Some(Self::ManyHosts),
        }
    }

    pub(super) fn answer(self) -> Response<Body> {
        let bad = |detail| error::response(StatusCode::BAD_REQUEST, detail);
        match self {
            Self::Coding => error::response(
                StatusCode::NOT_IMPLEMENTED,
                "the only transfer coding is chunked",
            ),
            Self::ManyHosts => bad("there is more than one host"),
            Self::NoHost => bad("there is no host"),
            Self::BadHost => bad("the host is not a legal one"),
        }
    }
}

/// Whether it is `uri-host [ ":" port ]`, which may be empty (RFC 9110,
/// section 7.2). With escapes, which are legal, nobody names this server.
fn is_host(value: &HeaderValue) -> bool {
    let value = value.as_bytes();
    let host = match value {
        [b'[', rest @ ..] => match rest.split(|byte| *byte == b']').next() {
            Some(address) if is_address(address) => address.len() + 2,
            _ => return false,
        },
        _ => value.iter().take_while(|byte| is_of_name(**byte)).count(),
    };
    match value.get(host..) {
        Some([]) => true,
        Some([b':', port @ ..]) => port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn is_address(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn of(lines: &[(HeaderName, &'static str)]) -> Option<Ambiguous> {
        Ambiguous::of(Version::HTTP_11, &headers(lines))
    }

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_is_said_twice_or_not_understood_is_ambiguous() {
        let coding = |value| (TRANSFER_ENCODING, value);
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
        assert_eq!(of(&[(HOST, "a"), (HOST, "a")]), Some(Ambiguous::ManyHosts));
    }

    #[test]
    fn only_the_old_version_may_name_no_host() {
        assert_eq!(of(&[]), Some(Ambiguous::NoHost));
        let old = |lines| Ambiguous::of(Version::HTTP_10, &headers(lines));
        assert_eq!(old(&[]), None);
        assert_eq!(old(&[(HOST, "a b")]), Some(Ambiguous::BadHost));
        assert_eq!(old(&[(HOST, "a"), (HOST, "b")]), Some(Ambiguous::ManyHosts));
    }

    #[test]
    fn a_host_is_one() {
        for host in [
            "",
            "budgetd",
            "api_two.example:8000",
            "127.0.0.1:8000",
            "[::1]",
            "[fe80::1]:8000",
            "[::ffff:127.0.0.1]",
            "example.com.:",
        ] {
            assert_eq!(of(&[(HOST, host)]), None, "{host:?}");
        }
        for host in [
            "a b", "a, b", "a/b", "a?b", "a#b", "user@a", "@a", "http://a", "a:b", "a:1:2", "[::1",
            "[::1]a", "[]", "[a]", "::1", "a%00", "a\\b",
        ] {
            assert_eq!(of(&[(HOST, host)]), Some(Ambiguous::BadHost), "{host:?}");
        }
    }
}
