//! Who a request comes from, behind proxies that are trusted and none else.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address; `None` on a unix socket. Handlers find it in a
/// request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientHost(pub Option<IpAddr>);

impl fmt::Display for ClientHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{address}"),
            None => f.write_str("unix"),
        }
    }
}

impl ClientHost {
    /// The peer itself, unless it is a trusted proxy: then the rightmost
    /// address of `X-Forwarded-For` that is none. Whatever stands left of that
    /// one was written by the client and means nothing.
    pub fn of(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let Some(peer) = peer.map(|address| address.to_canonical()) else {
            return Self(None);
        };
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut client = peer;
        if !is_trusted(&client) {
            return Self(Some(client));
        }
        // Several headers count as one list, in order (RFC 9110, 5.3).
        let hops = headers
            .get_all(FORWARDED_FOR)
            .into_iter()
            .rev()
            .flat_map(|value| value.to_str().unwrap_or("?").rsplit(','));
        for hop in hops {
            let Some(address) = address(hop.trim()) else {
                break;
            };
            client = address.to_canonical();
            if !is_trusted(&client) {
                break;
            }
        }
        Self(Some(client))
    }
}

/// Some proxies add the port, and all write `[…]` around an IPv6 address then.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = |_| hop.parse().map(|socket: SocketAddr| socket.ip());
    hop.parse().or_else(with_port).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        ClientHost::of(Some(peer.parse().unwrap()), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("fd00::1", &["2001:db8::5"]), "2001:db8::5");
        assert_eq!(client("10.0.0.1", &["198.51.100.7:567"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["[2001:db8::5]:567"]), "2001:db8::5");
    }

    #[test]
    fn the_rightmost_untrusted_hop_counts() {
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.0.0.2"]),
            "198.51.100.7"
        );
        assert_eq!(
            client("10.0.0.1", &["203.0.113.9", "198.51.100.7 , 10.0.0.2"]),
            "198.51.100.7"
        );
        assert_eq!(client("10.0.0.1", &["10.0.0.3,10.0.0.2"]), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &["198.51.100.7, junk"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["junk, 10.0.0.2"]), "10.0.0.2");
    }

    #[test]
    fn a_unix_socket_has_no_address() {
        let client = ClientHost::of(None, &HeaderMap::new(), &[]);
        assert_eq!(client.to_string(), "unix");
    }
}
