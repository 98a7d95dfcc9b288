//! The configuration: validated values, each in its unit, none half-parsed.
//!
//! [`load()`] merges the layers and reports every problem at once; what comes
//! out of it needs no further checking.

use std::path::PathBuf;
use std::time::Duration;

use crate::dependency::{Kind, Name, Policy};

mod address;
mod builtin;
mod changes;
mod env_file;
mod layers;
mod legacy_env;
mod load;
mod problem;
mod resolved;
mod secret;
mod section;
mod toml_file;
mod validate;
mod values;

pub use address::{
    Address, HttpTarget, PostgresTarget, RedisTarget, ServerAccess, SslMode, Target,
};
pub use changes::{HiddenChange, hidden_changes};
pub use load::{DEFAULT_FILE, Loaded, Sources, load};
pub use problem::{Problem, Problems, Provenance, Warning};
pub use secret::Secret;

#[cfg(all(feature = "daemon", any(test, fuzzing)))]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests;

/// Everything the daemon was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The `environment` field of every log line (`ENVIRONMENT`).
    pub environment: String,
    pub api: Api,
    pub admin: Admin,
    pub log: Log,
    pub lifecycle: Lifecycle,
    pub auth: Auth,
    pub database: Database,
    pub cache: Cache,
    pub limits: Limits,
    /// The three built-in ones first, then the operator's own by name.
    pub dependencies: Vec<Dependency>,
}

impl Config {
    pub fn dependency(&self, name: &str) -> Option<&Dependency> {
        self.dependencies.iter().find(|d| d.name.as_str() == name)
    }
}

/// The listener that the gate opens.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    pub listen: Listen,
    pub title: String,
    pub allowed_origins: Vec<Origin>,
    pub max_connections: usize,
    /// Bytes.
    pub max_body: usize,
    /// Bytes.
    pub import_max_body: usize,
    pub header_timeout: Duration,
    pub request_timeout: Duration,
    pub keep_alive_timeout: Duration,
    pub body_idle_timeout: Duration,
    pub health_details: HealthDetails,
    pub trusted_proxies: Vec<ipnet::IpNet>,
}

/// A TCP address to listen on: a literal one, or a host name that is resolved
/// when it is bound (`localhost:8000`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    pub host: String,
    pub port: u16,
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// An origin that browsers may call from: exact, any, or any one label in
/// front of a domain (`https://*.example.app`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Any,
    Exact(String),
    /// `https://` and `.example.app` of `https://*.example.app`.
    Subdomain {
        scheme: String,
        suffix: String,
    },
}

/// What readiness tells on the API listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthDetails {
    Full,
    Status,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    pub listen: AdminListen,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminListen {
    None,
    Tcp(Listen),
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// `tracing` directives, already known to parse.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Json,
    Pretty,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    pub drain_delay: Duration,
    pub drain_timeout: Duration,
    pub on_required_loss: OnRequiredLoss,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRequiredLoss {
    Unavailable,
    Exit,
}

/// How bearer tokens are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    pub supabase_url: String,
    /// Verifies HS256; empty: such tokens are refused.
    pub jwt_secret: Secret,
    /// Where the public keys are published, if anywhere.
    pub key_set: Option<HttpTarget>,
    /// The `iss` of tokens; empty: it is not looked at.
    pub issuer: String,
    /// Whether a token must name its issuer: someone said which one. One that
    /// was derived from `supabase_url` binds only tokens that have one.
    pub issuer_required: bool,
    pub audience: String,
    /// The claim that names organizations, from the outermost to the innermost
    /// name; empty: a token sees every one.
    pub organization_claim: Vec<String>,
}

/// The request pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Where migrations connect; `None` is the database's own URL.
    pub direct: Option<PostgresTarget>,
    pub pool_size: usize,
    pub pool_timeout: Duration,
    pub statement_timeout: Duration,
    pub max_lifetime: Duration,
    pub migrate: Migrate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrate {
    Auto,
    Check,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    pub timeout: Duration,
    pub retries: u32,
    pub ttl: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub reads_per_minute: u32,
    pub writes_per_minute: u32,
}

/// One node of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    pub name: Name,
    pub kind: Kind,
    pub policy: Policy,
    pub needs: Vec<Name>,
    /// `None`: not configured (an empty URL).
    pub target: Option<Target>,
    pub checks: Checks,
}

impl Dependency {
    /// Whether there is anything to check.
    pub fn is_watched(&self) -> bool {
        self.policy != Policy::Disabled && self.target.is_some()
    }
}

/// When a dependency is checked, and how patiently.
#[derive(Debug, Clone, PartialEq)]
pub struct Checks {
    pub interval: Duration,
    pub fast_interval: Duration,
    pub max_backoff: Duration,
    /// The share of a delay that chance may take off: 0 to 1.
    pub jitter: f64,
    pub connect_timeout: Duration,
    pub timeout: Duration,
    pub fall: u32,
    pub rise: u32,
    /// `None`: never.
    pub startup_deadline: Option<Duration>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            fast_interval: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            jitter: 0.1,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            fall: 3,
            rise: 2,
            startup_deadline: Some(Duration::from_secs(30)),
        }
    }
}
