//! The one request that a check sends.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use hyper::body::Bytes;

use crate::config::{HttpTarget, Secret};
use crate::dependency::{ErrorKind, Failure};
use crate::telemetry::trace::{TRACEPARENT, TraceContext};

/// A GET, never a HEAD: some servers, GoTrue among them, have no route for it.
pub(super) fn build(target: &HttpTarget) -> Result<Request<Empty<Bytes>>, Failure> {
    let uri: Uri = match target.path_and_query.as_str() {
        "" => Uri::from_static("/"),
        path => path
            .parse()
            .map_err(|_| cannot("its path is not a legal one"))?,
    };
    let mut request = Request::get(uri)
        .body(Empty::new())
        .map_err(|_| cannot("its path is not a legal one"))?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(&authority(target))
        .map_err(|_| cannot("its host is not a legal one"))?;
    headers.insert(HOST, host);
    headers.insert(
        USER_AGENT,
        HeaderValue::from_static(concat!("budgetd/", env!("CARGO_PKG_VERSION"))),
    );
    if let Some((user, password)) = &target.credentials {
        headers.insert(AUTHORIZATION, sensitive(&basic(user, password))?);
    }
    for (name, value) in &target.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| cannot("a header's name is not a legal one"))?;
        headers.insert(name, sensitive(value.expose())?);
    }
    Ok(request)
}

/// The request as part of a trace, so that what the server logs of it can be
/// told apart.
pub(super) fn traced(mut request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    let place = TraceContext::outgoing();
    request.headers_mut().insert(TRACEPARENT, place.into());
    request
}

/// Host and port as a client names them: a default port is left out.
fn authority(target: &HttpTarget) -> String {
    let host = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    match (target.tls, target.port) {
        (false, 80) | (true, 443) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

fn sensitive(value: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| cannot("a header's value holds characters that none may"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn cannot(reason: &str) -> Failure {
    Failure::new(
        ErrorKind::Config,
        format!("cannot build the request: {reason}"),
    )
}

/// RFC 7617: user and password with a colon between them, in base 64.
fn basic(user: &str, password: &Secret) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{}", password.expose()))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> HttpTarget {
        HttpTarget {
            host: "auth.example".into(),
            port: 80,
            tls: false,
            credentials: None,
            path_and_query: "/auth/v1/health?a=b".into(),
            headers: Vec::new(),
            accept: vec![200],
        }
    }

    #[test]
    fn the_request_names_host_path_and_us() {
        let request = build(&target()).unwrap();
        assert_eq!(request.method(), "GET");
        assert_eq!(request.uri(), "/auth/v1/health?a=b");
        assert_eq!(request.headers()[HOST], "auth.example");
        let agent = request.headers()[USER_AGENT].to_str().unwrap();
        assert!(agent.starts_with("budgetd/"));
    }

    #[test]
    fn a_port_is_named_unless_it_is_the_default() {
        let named = |host: &str, port, tls| {
            let host = host.into();
            let target = HttpTarget {
                host,
                port,
                tls,
                ..target()
            };
            build(&target).unwrap().headers()[HOST].clone()
        };
        assert_eq!(named("a", 443, true), "a");
        assert_eq!(named("a", 443, false), "a:443");
        assert_eq!(named("::1", 8080, false), "[::1]:8080");
    }

    #[test]
    fn secrets_are_sent_and_marked() {
        let mut target = target();
        // The example of RFC 7617, section 2.
        target.credentials = Some(("Aladdin".into(), "open sesame".into()));
        target.headers = vec![("apikey".into(), "key".into())];
        let request = build(&target).unwrap();
        let authorization = &request.headers()[AUTHORIZATION];
        assert_eq!(authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(authorization.is_sensitive());
        assert_eq!(request.headers()["apikey"], "key");
        assert!(request.headers()["apikey"].is_sensitive());

        target.headers = vec![("apikey".into(), "line\nbreak".into())];
        let failure = build(&target).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Config);
        assert!(!failure.message.contains("break"));
    }
}
