//! Which origins browsers may call from.

use std::time::Duration;

use hyper::Method;
use hyper::header::{ETAG, HeaderName, RETRY_AFTER};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::correlation;
use super::front::Settings;
use crate::config::Origin;
use crate::telemetry::trace::TRACERESPONSE;

/// How long a browser may remember a preflight.
const MAX_AGE: Duration = Duration::from_mins(10);

/// A layer that reads the allowed origins anew for each request. Credentials
/// are allowed, so an origin is echoed and never answered with `*`.
pub(super) fn layer(settings: Settings) -> CorsLayer {
    let allowed = AllowOrigin::predicate(move |origin, _| {
        origin
            .to_str()
            .is_ok_and(|origin| is_allowed(origin, &settings.load().allowed_origins))
    });
    let exposed = [
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-cache",
    ]
    .map(HeaderName::from_static)
    .into_iter()
    .chain([correlation::HEADER, TRACERESPONSE, RETRY_AFTER, ETAG]);
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.collect::<Vec<_>>())
        .max_age(MAX_AGE)
}

fn is_allowed(origin: &str, allowed: &[Origin]) -> bool {
    allowed.iter().any(|allowed| match allowed {
        Origin::Any => true,
        Origin::Exact(exact) => exact.eq_ignore_ascii_case(origin),
        Origin::Subdomain { scheme, suffix } => is_subdomain(origin, scheme, suffix),
    })
}

/// Exactly one label stands where the `*` was.
fn is_subdomain(origin: &str, scheme: &str, suffix: &str) -> bool {
    let Some(label) = strip_prefix(origin, scheme).and_then(|rest| strip_suffix(rest, suffix))
    else {
        return false;
    };
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_match_exactly_or_by_one_label() {
        let allowed = [
            Origin::Exact("http://localhost:5173".into()),
            Origin::Subdomain {
                scheme: "https://".into(),
                suffix: ".example.app".into(),
            },
        ];
        for origin in [
            "http://localhost:5173",
            "https://a.example.app",
            "https://pr-12.EXAMPLE.app",
        ] {
            assert!(is_allowed(origin, &allowed), "{origin}");
        }
        for origin in [
            "",
            "null",
            "http://localhost:51730",
            "https://localhost:5173",
            "https://.example.app",
            "https://example.app",
            "https://a.b.example.app",
            "https://evil.com/.example.app",
            "https://evil.com:1.example.app",
            "https://user@a.example.app",
            "http://a.example.app",
            "https://a.example.app.evil.com",
            "https://é.example.app",
        ] {
            assert!(!is_allowed(origin, &allowed), "{origin}");
        }
        assert!(is_allowed("https://anything", &[Origin::Any]));
    }
}
