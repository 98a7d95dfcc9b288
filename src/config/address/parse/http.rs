//! URLs of web services (RFC 9110, section 4.2).

use url::Url;

use super::super::HttpTarget;
use super::{Parsed, host_name, split};

const EXAMPLE: &str = "https://host/path";

/// `http://` or `https://`; headers and accepted codes are the caller's.
pub(in crate::config) fn http(text: &str) -> Result<Parsed<HttpTarget>, String> {
    let parts = split(text, EXAMPLE)?;
    let tls = match parts.scheme.as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(format!("a URL such as {EXAMPLE} is expected")),
    };
    if parts.user.as_deref().is_some_and(|user| user.contains(':')) {
        // RFC 7617: the first colon ends the user.
        return Err("the user of a web service cannot hold a colon".to_owned());
    }
    // Only path and query go through the URL library, which removes dot
    // segments and encodes what must be. It sees other borders than we do in
    // `http://a\b@host/`, so it is not asked about the rest.
    let url = Url::parse(&format!("http://host{}", parts.tail))
        .map_err(|error| format!("it cannot be read: {error}"))?;
    let path_and_query = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let credentials = match (parts.user, parts.password) {
        (None, None) => None,
        (user, password) => Some((user.unwrap_or_default(), password.unwrap_or_default())),
    };
    Ok(Parsed {
        target: HttpTarget {
            host: host_name(&parts.host)?,
            port: parts.port.unwrap_or(if tls { 443 } else { 80 }),
            tls,
            credentials,
            path_and_query,
            headers: Vec::new(),
            accept: Vec::new(),
        },
        ignored: Vec::new(),
    })
}
