//! What a dependency is: its name, kind, policy, and how a check of it ends.
//!
//! Leaf vocabulary that every other module speaks; it imports none of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

mod failure;

pub use failure::{ErrorKind, Failure, quote};

/// The dependency that the existing deployment calls its database.
pub const DATABASE: &str = "database";
/// The dependency that the existing deployment calls its cache.
pub const CACHE: &str = "cache";
/// The dependency that the existing deployment calls its auth API.
pub const SUPABASE_AUTH: &str = "supabase_auth";

/// The name of a dependency: a key of the readiness document, a metric label
/// and a path segment, so its alphabet is that of all three.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name that is accepted, in bytes.
    pub const MAX_LENGTH: usize = 64;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text cannot be the name of a dependency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a dependency's name is 1 to 64 characters of a-z, A-Z, 0-9, '_', '-' and '.', and begins with a letter"
)]
pub struct InvalidName;

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let begins_with_letter = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if begins_with_letter && text.len() <= Self::MAX_LENGTH && text.chars().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The protocol a dependency is checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Postgres,
    Redis,
    Http,
    Tcp,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Postgres, Self::Redis, Self::Http, Self::Tcp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }
}

/// What the loss of a dependency means. Ordered from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// Not checked, not counted.
    Disabled,
    /// Never gates; its loss degrades.
    Optional,
    /// Gates the listener once; a later loss degrades.
    Startup,
    /// Gates the listener; its loss makes the API unavailable.
    Required,
}

impl Policy {
    pub const ALL: [Self; 4] = [
        Self::Required,
        Self::Startup,
        Self::Optional,
        Self::Disabled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Startup => "startup",
            Self::Optional => "optional",
            Self::Disabled => "disabled",
        }
    }

    /// Whether the gate waits for a dependency of this policy.
    pub fn gates(self) -> bool {
        matches!(self, Self::Required | Self::Startup)
    }
}

/// What a check that passed has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// Something an operator should know although the dependency is up.
    pub note: Option<String>,
}

/// A check that passed, and how long it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub latency: Duration,
    pub note: Option<String>,
}

macro_rules! display_as_str {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

display_as_str!(Kind, Policy, ErrorKind);
