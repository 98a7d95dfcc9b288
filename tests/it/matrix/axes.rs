//! The four lists whose product is the matrix.

use std::fmt;

pub(super) use budgetd::dependency::Policy;

/// What suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Dependency {
    Postgres,
    /// Postgres behind `PgBouncer`. A fault of the machine or the program is one
    /// of Postgres, a fault of the network one between budgetd and the pooler.
    Pooled,
    Redis,
    Http,
    Tcp,
}

impl Dependency {
    pub(super) const ALL: [Self; 5] = [
        Self::Postgres,
        Self::Pooled,
        Self::Redis,
        Self::Http,
        Self::Tcp,
    ];

    /// Its name in the configuration: that of the existing deployment, where
    /// that has one.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres | Self::Pooled => "database",
            Self::Redis => "cache",
            Self::Http => "supabase_auth",
            Self::Tcp => "search",
        }
    }

    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Postgres | Self::Pooled => "postgres",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }

    pub(super) fn is_database(self) -> bool {
        matches!(self, Self::Postgres | Self::Pooled)
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "postgres",
            Self::Pooled => "pgbouncer",
            Self::Redis => "redis",
            Self::Http => "http",
            Self::Tcp => "tcp",
        })
    }
}

/// What it suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Fault {
    Refused,
    Dropped,
    Mute,
    Frozen,
    Killed,
    Stopped,
    Late,
    Trickle,
    Garbage,
    Cut,
    WrongPassword,
    UnknownDatabase,
    Starting,
    Recovery,
    ReadOnly,
    Full,
    WrongName,
    Expired,
    UnknownAuthority,
    Unresolved,
    OneAddressDead,
    Flapping,
}

impl Fault {
    pub(super) const ALL: [Self; 22] = [
        Self::Refused,
        Self::Dropped,
        Self::Mute,
        Self::Frozen,
        Self::Killed,
        Self::Stopped,
        Self::Late,
        Self::Trickle,
        Self::Garbage,
        Self::Cut,
        Self::WrongPassword,
        Self::UnknownDatabase,
        Self::Starting,
        Self::Recovery,
        Self::ReadOnly,
        Self::Full,
        Self::WrongName,
        Self::Expired,
        Self::UnknownAuthority,
        Self::Unresolved,
        Self::OneAddressDead,
        Self::Flapping,
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Refused => "connections are refused",
            Self::Dropped => "packets are dropped",
            Self::Mute => "accepts and never answers",
            Self::Frozen => "frozen by SIGSTOP",
            Self::Killed => "killed by SIGKILL",
            Self::Stopped => "stopped cleanly",
            Self::Late => "answers after twice the deadline",
            Self::Trickle => "answers one byte a second",
            Self::Garbage => "answers garbage",
            Self::Cut => "is cut in the middle of an answer",
            Self::WrongPassword => "wants another password",
            Self::UnknownDatabase => "does not know the database",
            Self::Starting => "is starting up or loading",
            Self::Recovery => "is in recovery",
            Self::ReadOnly => "is read-only",
            Self::Full => "has too many connections",
            Self::WrongName => "has a certificate for another name",
            Self::Expired => "has an expired certificate",
            Self::UnknownAuthority => "has a certificate of an unknown authority",
            Self::Unresolved => "its name does not resolve",
            Self::OneAddressDead => "one of its two addresses is dead",
            Self::Flapping => "goes up and down every 300 ms",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Refused => "refused",
            Self::Dropped => "dropped",
            Self::Mute => "mute",
            Self::Frozen => "frozen",
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Late => "late",
            Self::Trickle => "trickle",
            Self::Garbage => "garbage",
            Self::Cut => "cut",
            Self::WrongPassword => "wrong-password",
            Self::UnknownDatabase => "unknown-database",
            Self::Starting => "starting-up",
            Self::Recovery => "in-recovery",
            Self::ReadOnly => "read-only",
            Self::Full => "full",
            Self::WrongName => "tls-wrong-name",
            Self::Expired => "tls-expired",
            Self::UnknownAuthority => "tls-unknown-authority",
            Self::Unresolved => "unresolved",
            Self::OneAddressDead => "one-address-dead",
            Self::Flapping => "flapping",
        })
    }
}

/// When it suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Moment {
    BeforeStart,
    /// The API's address is bound, and something else still holds the gate shut.
    BeforeGate,
    Idle,
    UnderLoad,
    Draining,
    /// A reload waits for something else.
    Reloading,
    /// A reload leads to where the fault is.
    ReloadedTo,
}

impl Moment {
    pub(super) const ALL: [Self; 7] = [
        Self::BeforeStart,
        Self::BeforeGate,
        Self::Idle,
        Self::UnderLoad,
        Self::Draining,
        Self::Reloading,
        Self::ReloadedTo,
    ];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::BeforeStart => "before the start",
            Self::BeforeGate => "between bind and gate",
            Self::Idle => "while idle",
            Self::UnderLoad => "under load",
            Self::Draining => "while draining",
            Self::Reloading => "while reloading",
            Self::ReloadedTo => "where a reload leads",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BeforeStart => "before-start",
            Self::BeforeGate => "before-gate",
            Self::Idle => "idle",
            Self::UnderLoad => "under-load",
            Self::Draining => "draining",
            Self::Reloading => "reloading",
            Self::ReloadedTo => "reloaded-to",
        })
    }
}

/// What it means to the daemon.
pub(super) const POLICIES: [Policy; 3] = [Policy::Required, Policy::Startup, Policy::Optional];
