//! How a check fails: a closed set of kinds, each with advice for a person.

use std::fmt;

use super::Kind;

/// Why a check failed, as far as it can be told from codes rather than texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Nothing listens there.
    Refused,
    /// No answer within the deadline.
    Timeout,
    /// The host name does not resolve.
    Dns,
    /// The TLS handshake failed, or the certificate is not trusted.
    Tls,
    /// The credentials were refused.
    Auth,
    /// Bytes arrived that cannot be parsed.
    Protocol,
    /// The server answers, but not yet (or no longer) as it should.
    NotReady,
    /// The peer closed the connection.
    Closed,
    /// The address is right, but what it names (a database, say) does not exist.
    Config,
}

impl ErrorKind {
    pub const ALL: [Self; 9] = [
        Self::Refused,
        Self::Timeout,
        Self::Dns,
        Self::Tls,
        Self::Auth,
        Self::Protocol,
        Self::NotReady,
        Self::Closed,
        Self::Config,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Protocol => "protocol",
            Self::NotReady => "not_ready",
            Self::Closed => "closed",
            Self::Config => "config",
        }
    }

    /// What a person should do about it.
    pub fn hint(self, kind: Kind) -> &'static str {
        match (self, kind) {
            (Self::Refused, Kind::Redis) => {
                "nothing listens there: start it (on Debian `systemctl start redis-server`) or correct the URL"
            }
            (Self::Refused, Kind::Postgres) => {
                "nothing listens there: start it (on Debian `systemctl start postgresql`) or correct the URL"
            }
            (Self::Refused, _) => "nothing listens there: start the server or correct the URL",
            (Self::Timeout, _) => {
                "the server is frozen, overloaded, or a firewall drops packets: look at its load and at the network path"
            }
            (Self::Dns, _) => {
                "the host name does not resolve: correct it, or look at /etc/resolv.conf"
            }
            (Self::Tls, _) => {
                "the TLS handshake failed: compare host name, certificate dates and the trusted roots (sslrootcert)"
            }
            (Self::Auth, _) => "the credentials were refused: correct user and password",
            (Self::Protocol, _) => "another protocol speaks on that port: correct host and port",
            (Self::NotReady, Kind::Http) => {
                "the server answers with an unexpected code: look at its logs, or extend `accept`"
            }
            (Self::NotReady, Kind::Postgres) => {
                "the server is starting, stopping, full or in recovery, or its schema is not what this version needs: look at the error and at its logs"
            }
            (Self::NotReady, _) => {
                "the server is starting, stopping, full or in recovery: look at its logs"
            }
            (Self::Closed, _) => "the server closed the connection: look at its logs",
            (Self::Config, _) => {
                "the server does not know what the URL names: correct the database or its number"
            }
        }
    }
}

/// A check that failed: the kind decides what happens, the message informs.
///
/// The message is one line and never holds a secret: probes build it from
/// their own words and from what a server said, never from a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub kind: ErrorKind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: ErrorKind, message: impl AsRef<str>) -> Self {
        Self {
            kind,
            message: one_line(message.as_ref()),
        }
    }

    /// The same without what the peer was told in confidence: some servers
    /// quote what they refuse.
    pub fn without<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            message: quote(&self.message, secrets),
            ..self
        }
    }
}

/// What a peer said, fit to be shown: one bounded line, without what the peer
/// was told in confidence.
pub fn quote<'a>(said: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = one_line(said);
    for secret in secrets {
        let secret = squeezed(secret);
        if secret.chars().count() >= MIN_SECRET_CHARS {
            line = line.replace(&secret, HIDDEN);
            hide_begun(&mut line, &secret);
        }
    }
    line
}

/// Where a message was cut, a secret may have just begun.
fn hide_begun(message: &mut String, secret: &str) {
    let Some(kept) = message.strip_suffix(CUT) else {
        return;
    };
    let begun = secret.char_indices().map(|(at, _)| &secret[..at]).rev();
    let longest = begun
        .filter(|part| !part.is_empty())
        .find(|part| kept.ends_with(part));
    if let Some(part) = longest {
        message.truncate(kept.len() - part.len());
        message.push_str(HIDDEN);
        message.push(CUT);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The longest message that is kept of what a server said.
const MAX_MESSAGE_CHARS: usize = 300;

/// Stands at the end of a message that was cut.
const CUT: char = '…';

/// Stands in place of a secret.
const HIDDEN: &str = "***";

/// Shorter ones cannot be told from parts of words: hiding them would garble
/// every message, and so tell them.
const MIN_SECRET_CHARS: usize = 4;

/// Servers put line breaks, control characters and novels into their errors.
fn one_line(text: &str) -> String {
    let mut line = squeezed(text);
    if let Some((end, _)) = line.char_indices().nth(MAX_MESSAGE_CHARS) {
        line.truncate(end);
        line.push(CUT);
    }
    line
}

/// Words with one blank between them.
fn squeezed(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_bounded_line() {
        let failure = Failure::new(ErrorKind::Protocol, "first\r\n\tsecond\u{1b}[31m third");
        assert_eq!(failure.message, "first second [31m third");

        let long = Failure::new(ErrorKind::Protocol, "é".repeat(1_000));
        assert_eq!(long.message.chars().count(), MAX_MESSAGE_CHARS + 1);
    }

    #[test]
    fn a_server_s_quote_of_a_secret_is_hidden() {
        let hidden = |said: &str, secret: &str| {
            let failure = Failure::new(ErrorKind::Auth, said);
            failure.without([secret]).message
        };
        assert_eq!(hidden("AUTH sesame no sesame", "sesame"), "AUTH *** no ***");
        assert_eq!(hidden("not\r\nopen\t sesame", "open  sesame"), "not ***");
        assert_eq!(hidden("a bad password", "a"), "a bad password");
        assert_eq!(hidden("closed", ""), "closed");
    }

    #[test]
    fn a_secret_that_was_cut_is_hidden() {
        for told in 1..8 {
            let padding = "x".repeat(MAX_MESSAGE_CHARS - told);
            let failure = Failure::new(ErrorKind::Auth, format!("{padding}öffnedichnun"));
            let message = failure.without(["öffnedich"]).message;
            assert_eq!(message, format!("{padding}***…"), "{told}");
        }
    }
}
