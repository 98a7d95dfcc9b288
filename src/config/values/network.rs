//! Values that name a place in a network: addresses, origins, networks.

use std::path::PathBuf;

use ipnet::IpNet;
use url::Url;

use super::super::section::Leaf;
use super::super::{AdminListen, Listen, Origin};
use super::{Parsed, text};

pub(in crate::config) fn listen(leaf: &Leaf) -> Parsed<Listen> {
    parse_listen(&text(leaf)?).ok_or_else(|| {
        r#"host and port are expected, such as "127.0.0.1:8000" or "[::1]:8000""#.to_owned()
    })
}

/// `host:port`, with an IPv6 address in brackets.
pub(in crate::config) fn parse_listen(text: &str) -> Option<Listen> {
    let (host, port) = text.trim().rsplit_once(':')?;
    // `parse` would take "+80".
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let address = rest.strip_suffix(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            address
        }
        None => host,
    };
    let bracketed = host.contains(':');
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || (!bracketed && !host.chars().all(legal)) {
        return None;
    }
    if bracketed && !text.trim().starts_with('[') {
        return None;
    }
    Some(Listen {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// Where the admin listener listens: host and port, a socket file, or nowhere.
pub(in crate::config) fn admin_listen(leaf: &Leaf) -> Parsed<AdminListen> {
    /// unix(7): `sun_path` holds 108 bytes, a zero at the end among them.
    const LONGEST_PATH: usize = 107;
    let text = text(leaf)?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(AdminListen::None);
    }
    let parsed = match text.strip_prefix("unix:") {
        Some(path) => {
            let path = path.strip_prefix("//").unwrap_or(path);
            (path.starts_with('/') && path.len() <= LONGEST_PATH && !path.contains('\0'))
                .then(|| AdminListen::Unix(PathBuf::from(path)))
        }
        None => parse_listen(text).map(AdminListen::Tcp),
    };
    parsed.ok_or_else(|| {
        format!(
            r#"host and port ("127.0.0.1:9640"), "unix:" and an absolute path of at most {LONGEST_PATH} bytes, or "" for none is expected"#
        )
    })
}

/// An origin that browsers send (RFC 6454): scheme, host and port, no path.
pub(in crate::config) fn origin(leaf: &Leaf) -> Parsed<Origin> {
    parse_origin(text(leaf)?.trim()).ok_or_else(|| {
        r#"an origin is expected, such as "https://app.example.com", "https://*.example.com" or "*""#
            .to_owned()
    })
}

fn parse_origin(text: &str) -> Option<Origin> {
    if text == "*" {
        return Some(Origin::Any);
    }
    let (scheme, host) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    if let Some(domain) = host.strip_prefix("*.") {
        let Origin::Exact(exact) = parse_origin(&format!("{scheme}://{domain}"))? else {
            return None;
        };
        let domain = exact.strip_prefix(&format!("{scheme}://"))?;
        return Some(Origin::Subdomain {
            suffix: format!(".{domain}"),
            scheme: format!("{scheme}://"),
        });
    }
    let authority = host.strip_suffix('/').unwrap_or(host);
    let legal =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if authority.is_empty() || !authority.chars().all(legal) {
        return None;
    }
    let url = Url::parse(&format!("{scheme}://{authority}")).ok()?;
    // Browsers leave the scheme's own port out; apps and extensions have
    // schemes of their own, which have no such port.
    match url.origin() {
        origin @ url::Origin::Tuple(..) => Some(Origin::Exact(origin.ascii_serialization())),
        url::Origin::Opaque(_) => Some(Origin::Exact(format!("{scheme}://{authority}"))),
    }
}

/// A network, or one address.
pub(in crate::config) fn network(leaf: &Leaf) -> Parsed<IpNet> {
    let text = text(leaf)?;
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| r#"a network is expected, such as "10.0.0.0/8", or an address"#.to_owned())
}

/// The address of a web service, without a slash at its end; empty for none.
/// It is shown as it is, so it has no room for anything secret.
pub(in crate::config) fn web_address(leaf: &Leaf) -> Parsed<String> {
    let text = text(leaf)?;
    let text = text.trim().trim_end_matches('/');
    if text.is_empty() {
        return Ok(String::new());
    }
    let plain = !text.contains(['@', '?', '#']) && !text.contains(char::is_whitespace);
    let web = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    // Only the written form with a host is what it seems to be.
    if plain && web && text.contains("://") {
        Ok(text.to_owned())
    } else {
        Err(
            r#"an http or https URL is expected, without user, password and query, such as "https://project.supabase.co""#
                .to_owned(),
        )
    }
}
