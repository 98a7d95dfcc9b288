//! The variables of the existing deployment, honoured unchanged.
//!
//! Surrounding blanks and quotes are trimmed, because container tools hand
//! the quotes of their env-files on. Of a URL, empty text means "not
//! configured"; of any other variable it means that it is not set.

use super::layers::{Layers, Variables};
use super::problem::Provenance;
use super::section::Report;
use super::values::parse_listen;
use super::{Config, Listen};

type Path = &'static [&'static str];

/// What a variable means.
enum Meaning {
    /// A URL; empty is a value, too.
    Url(Path),
    /// A value in the syntax of the key.
    Value(Path),
    /// `true`: required; `false`: optional.
    Required(Path),
    /// The base of the auth API, of the issuer and of the key set.
    Supabase,
    /// These have a part in one value, see [`Legacy::apply`].
    ApiHost,
    ApiPort,
    RedisEnabled,
    RedisRequired,
}

const CACHE_POLICY: Path = &["dependencies", "cache", "policy"];

const VARIABLES: &[(&str, Meaning)] = {
    use Meaning::{ApiHost, ApiPort, RedisEnabled, RedisRequired, Required, Supabase, Url, Value};
    &[
        ("DATABASE_URL", Url(&["dependencies", "database", "url"])),
        ("DIRECT_URL", Url(&["database", "direct_url"])),
        (
            "DATABASE_REQUIRED",
            Required(&["dependencies", "database", "policy"]),
        ),
        ("REDIS_URL", Url(&["dependencies", "cache", "url"])),
        ("REDIS_ENABLED", RedisEnabled),
        ("REDIS_REQUIRED", RedisRequired),
        (
            "REDIS_CONNECT_TIMEOUT",
            Value(&["dependencies", "cache", "connect_timeout"]),
        ),
        (
            "REDIS_SOCKET_TIMEOUT",
            Value(&["dependencies", "cache", "timeout"]),
        ),
        ("REDIS_MAX_RETRIES", Value(&["cache", "retries"])),
        ("SUPABASE_URL", Supabase),
        (
            "SUPABASE_AUTH_REQUIRED",
            Required(&["dependencies", "supabase_auth", "policy"]),
        ),
        ("SUPABASE_JWT_SECRET", Value(&["auth", "jwt_secret"])),
        (
            "SUPABASE_ANON_KEY",
            Value(&["dependencies", "supabase_auth", "headers", "apikey"]),
        ),
        ("API_HOST", ApiHost),
        ("API_PORT", ApiPort),
        ("ALLOWED_ORIGINS", Value(&["api", "allowed_origins"])),
        ("ENVIRONMENT", Value(&["environment"])),
    ]
};

/// The names of all of them.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(name, _)| *name)
}

/// Removes the blanks and quotes around a value.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// What has to be kept from layer to layer: variables that have a part in one
/// value may come from different ones.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    redis_enabled: Option<(bool, Provenance)>,
    redis_required: Option<(bool, Provenance)>,
}

impl Legacy {
    /// Merges the variables of one layer over what stands below it.
    pub(super) fn apply(&mut self, variables: &Variables, layers: &mut Layers, report: &Report) {
        let mut host = None;
        let mut port = None;
        let mut redis_policy = None;
        for (name, meaning) in VARIABLES {
            let Some(text) = variables.get(name).map(trim) else {
                continue;
            };
            let from = variables.provenance(name);
            if text.is_empty() && !matches!(meaning, Meaning::Url(_) | Meaning::Supabase) {
                continue;
            }
            match meaning {
                Meaning::Url(path) | Meaning::Value(path) => layers.set(path, text, from),
                Meaning::Supabase => supabase(text, layers, &from),
                Meaning::Required(path) => {
                    if let Some(required) = truth(text, &from, report) {
                        layers.set(path, policy(required), from);
                    }
                }
                Meaning::RedisEnabled => {
                    if let Some(enabled) = truth(text, &from, report) {
                        self.redis_enabled = Some((enabled, from.clone()));
                        redis_policy = Some(from);
                    }
                }
                Meaning::RedisRequired => {
                    if let Some(required) = truth(text, &from, report) {
                        self.redis_required = Some((required, from.clone()));
                        redis_policy = Some(from);
                    }
                }
                Meaning::ApiHost => host = Some((text.to_owned(), from)),
                Meaning::ApiPort => match text.parse::<u16>() {
                    Ok(number) => port = Some((number, from)),
                    Err(_) => report.problem(from, None, "a port from 0 to 65535 is expected"),
                },
            }
        }
        if let Some(from) = redis_policy
            && let Some(policy) = self.redis_policy(layers)
        {
            layers.set(CACHE_POLICY, policy, from);
        }
        set_listen(host, port, layers);
    }

    /// The policy that both variables of Redis make together; `None` leaves
    /// what stands below.
    fn redis_policy(&self, layers: &Layers) -> Option<&'static str> {
        let flag = |value: &Option<(bool, Provenance)>| value.as_ref().map(|(value, _)| *value);
        match (flag(&self.redis_enabled), flag(&self.redis_required)) {
            (Some(false), _) => Some("disabled"),
            (_, Some(required)) => Some(policy(required)),
            (Some(true), None) => {
                let below = layers.text(&CACHE_POLICY.join("."))?;
                (below.trim() == "disabled").then_some("optional")
            }
            (None, None) => None,
        }
    }

    /// Reports what contradicts itself, once all layers are known.
    pub(super) fn contradictions(&self, cache_has_url: bool, report: &Report) {
        match (&self.redis_enabled, &self.redis_required) {
            (Some((false, enabled)), Some((true, required))) => report.problem(
                required.clone(),
                None,
                format!("it is true while {enabled} is false: enable Redis, or do not require it"),
            ),
            (Some((true, enabled)), _) if !cache_has_url => {
                let url = report.origin("dependencies.cache.url");
                report.problem(
                    enabled.clone(),
                    None,
                    format!(
                        "it is true while the URL of Redis from {url} is empty: set REDIS_URL, or set REDIS_ENABLED=false"
                    ),
                );
            }
            _ => {}
        }
    }
}

fn policy(required: bool) -> &'static str {
    if required { "required" } else { "optional" }
}

/// The words that the existing deployment takes for truth values.
fn truth(text: &str, from: &Provenance, report: &Report) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => {
            report.problem(from.clone(), None, "`true` or `false` is expected");
            None
        }
    }
}

fn supabase(text: &str, layers: &mut Layers, from: &Provenance) {
    let base = text.trim_end_matches('/');
    let check = if base.is_empty() {
        String::new()
    } else {
        format!("{base}/auth/v1/health")
    };
    layers.set(&["auth", "supabase_url"], base, from.clone());
    layers.set(
        &["dependencies", "supabase_auth", "url"],
        check,
        from.clone(),
    );
}

/// Host and port are one key, of which a variable may replace one half.
fn set_listen(
    host: Option<(String, Provenance)>,
    port: Option<(u16, Provenance)>,
    layers: &mut Layers,
) {
    let Some(from) = host
        .as_ref()
        .map(|(_, from)| from)
        .or(port.as_ref().map(|(_, from)| from))
    else {
        return;
    };
    let from = from.clone();
    let below = match layers.text("api.listen") {
        // What cannot be read there is reported where it is read.
        Some(text) => parse_listen(&text),
        None => Some(Config::builtin().api.listen),
    };
    let host = host
        .map(|(host, _)| host)
        .or(below.as_ref().map(|below| below.host.clone()));
    let port = port.map(|(port, _)| port).or(below.map(|below| below.port));
    if let (Some(host), Some(port)) = (host, port) {
        let host = host.trim_matches(['[', ']']).to_owned();
        layers.set(&["api", "listen"], Listen { host, port }.to_string(), from);
    }
}
