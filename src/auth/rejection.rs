//! Why a request is not let in.

use std::fmt;

/// The longest part of a refused user ID that is shown, in characters.
const MAX_SHOWN: usize = 64;

/// Why a request is not let in. Its `Display` is the text that clients know;
/// none of them holds anything of a token but a user ID that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("Authorization header missing")]
    HeaderMissing,
    #[error("Invalid authorization header format. Expected: Bearer <token>")]
    HeaderFormat,
    /// The reason is for logs: whoever tries tokens is not told.
    #[error("Invalid or expired token")]
    Token(Refusal),
    #[error("JWT token missing user ID")]
    UserMissing,
    #[error("Invalid user ID format: {0}")]
    UserFormat(Shown),
    /// Nobody knows whether the token is good, because the auth API does not
    /// answer: a 503 with `Retry-After`. All others are a 401.
    #[error("Authentication is not available: the keys of the auth API cannot be had")]
    KeysUnavailable,
}

impl Rejection {
    /// What is wrong with a token that was sent, in words for a log; `None`
    /// when none was sent, or nobody knows.
    pub fn fault(&self) -> Option<String> {
        match self {
            Self::Token(refusal) => Some(refusal.to_string()),
            Self::UserMissing | Self::UserFormat(_) | Self::HeaderFormat => Some(self.to_string()),
            Self::HeaderMissing | Self::KeysUnavailable => None,
        }
    }

    /// What `WWW-Authenticate` says beside a 401 (RFC 6750, section 3);
    /// `None` beside a 503.
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::HeaderMissing => Some("Bearer"),
            Self::HeaderFormat => Some(r#"Bearer error="invalid_request""#),
            Self::Token(_) | Self::UserMissing | Self::UserFormat(_) => {
                Some(r#"Bearer error="invalid_token""#)
            }
            Self::KeysUnavailable => None,
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Token(refusal)
    }
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("it is longer than 8 KiB")]
    TooLong,
    #[error("its header cannot be read, or names an algorithm that is never accepted")]
    Header,
    #[error("its header asks for extensions that nobody here understands")]
    Critical,
    #[error("it is signed with a shared secret, and auth.jwt_secret is not set")]
    NoSecret,
    #[error("its key is not in the key set")]
    UnknownKey,
    #[error("it names no key, and more than one would fit")]
    AmbiguousKey,
    #[error("its algorithm is not the one of its key")]
    Algorithm,
    #[error("its signature does not fit")]
    Signature,
    #[error("its claims are not an object of JSON, or one of them stands twice")]
    Claims,
    #[error("it has expired, or does not say when it does")]
    Expired,
    #[error("it is not valid yet")]
    NotYet,
    #[error("it is not meant for auth.audience")]
    Audience,
    #[error("it does not come from auth.issuer")]
    Issuer,
    #[error("its subject is not text")]
    Subject,
}

/// Text from outside that is safe to repeat: bounded, and without control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let mut shown: String = text.chars().take(MAX_SHOWN).map(visible).collect();
        if text.chars().nth(MAX_SHOWN).is_some() {
            shown.push('…');
        }
        Self(shown)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
