//! The configuration as it was understood, for people: every key, no secret.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use toml::Value;

use super::address::{HttpTarget, PostgresTarget, ServerAccess, Target};
use super::section::join;
use super::{
    AdminListen, Api, Auth, Config, Dependency, HealthDetails, Loaded, LogFormat, Migrate,
    OnRequiredLoss, Origin, Provenance, Secret,
};

impl Loaded {
    /// The resolved configuration as TOML: every secret is `***`, URLs have
    /// neither user nor password, and a comment tells where a value came from
    /// unless it is built in.
    pub fn resolved_toml(&self) -> String {
        let mut out = Writer {
            text: String::new(),
            section: String::new(),
            origins: &self.origins,
        };
        out.config(&self.config);
        out.text
    }
}

struct Writer<'a> {
    text: String,
    section: String,
    origins: &'a BTreeMap<String, Provenance>,
}

impl Writer<'_> {
    fn section(&mut self, name: &str) {
        name.clone_into(&mut self.section);
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "\n[{name}]");
    }

    fn key(&mut self, name: &str, value: impl Into<Value>) {
        let path = if self.section.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.section)
        };
        self.key_from(name, value, &[&path]);
    }

    /// Writes a key whose value came from the first of `paths` that is set.
    fn key_from(&mut self, name: &str, value: impl Into<Value>, paths: &[&str]) {
        let _ = write!(self.text, "{name} = {}", value.into());
        let origin = paths.iter().find_map(|path| self.origins.get(*path));
        let _ = match origin {
            Some(origin) => writeln!(self.text, "  # from {origin}"),
            None => writeln!(self.text),
        };
    }

    fn config(&mut self, config: &Config) {
        self.key("environment", config.environment.as_str());
        self.api(&config.api);
        self.section("admin");
        let listen = match &config.admin.listen {
            AdminListen::None => String::new(),
            AdminListen::Tcp(listen) => listen.to_string(),
            AdminListen::Unix(path) => format!("unix:{}", path.display()),
        };
        self.key("listen", listen);

        self.section("log");
        let format = match config.log.format {
            LogFormat::Auto => "auto",
            LogFormat::Json => "json",
            LogFormat::Pretty => "pretty",
        };
        self.key("format", format);
        self.key("level", config.log.level.as_str());

        self.section("lifecycle");
        self.key("drain_delay", time(config.lifecycle.drain_delay));
        self.key("drain_timeout", time(config.lifecycle.drain_timeout));
        let loss = match config.lifecycle.on_required_loss {
            OnRequiredLoss::Unavailable => "unavailable",
            OnRequiredLoss::Exit => "exit",
        };
        self.key("on_required_loss", loss);

        self.auth(&config.auth);
        self.stores(config);
        for dependency in &config.dependencies {
            self.dependency(dependency);
        }
    }

    fn api(&mut self, api: &Api) {
        self.section("api");
        self.key("listen", api.listen.to_string());
        self.key("title", api.title.as_str());
        let origins: Vec<String> = api.allowed_origins.iter().map(origin).collect();
        self.key("allowed_origins", origins);
        self.key("max_connections", whole(api.max_connections));
        self.key("max_body", size(api.max_body));
        self.key("import_max_body", size(api.import_max_body));
        self.key("header_timeout", time(api.header_timeout));
        self.key("request_timeout", time(api.request_timeout));
        self.key("keep_alive_timeout", time(api.keep_alive_timeout));
        self.key("body_idle_timeout", time(api.body_idle_timeout));
        let details = match api.health_details {
            HealthDetails::Full => "full",
            HealthDetails::Status => "status",
        };
        self.key("health_details", details);
        let proxies = api.trusted_proxies.iter().map(ToString::to_string);
        self.key("trusted_proxies", proxies.collect::<Vec<_>>());
    }

    fn auth(&mut self, auth: &Auth) {
        self.section("auth");
        self.key("supabase_url", auth.supabase_url.as_str());
        self.key("jwt_secret", hidden(&auth.jwt_secret));
        let derived = "auth.supabase_url";
        let key_set = auth.key_set.as_ref().map(ToString::to_string);
        self.key_from(
            "jwks_url",
            key_set.unwrap_or_default(),
            &["auth.jwks_url", derived],
        );
        self.key_from("issuer", auth.issuer.as_str(), &["auth.issuer", derived]);
        self.key("audience", auth.audience.as_str());
        self.key("organization_claim", auth.organization_claim.join("."));
    }

    fn stores(&mut self, config: &Config) {
        self.section("database");
        let database = &config.database;
        let direct = database.direct.as_ref().map(ToString::to_string);
        self.key("direct_url", direct.unwrap_or_default());
        self.key("pool_size", whole(database.pool_size));
        self.key("pool_timeout", time(database.pool_timeout));
        self.key("statement_timeout", time(database.statement_timeout));
        self.key("max_lifetime", time(database.max_lifetime));
        let migrate = match database.migrate {
            Migrate::Auto => "auto",
            Migrate::Check => "check",
        };
        self.key("migrate", migrate);

        self.section("cache");
        self.key("timeout", time(config.cache.timeout));
        self.key("retries", i64::from(config.cache.retries));
        self.key("ttl", time(config.cache.ttl));

        self.section("limits");
        let limits = &config.limits;
        self.key("reads_per_minute", i64::from(limits.reads_per_minute));
        self.key("writes_per_minute", i64::from(limits.writes_per_minute));
    }

    fn dependency(&mut self, dependency: &Dependency) {
        self.section(&join("dependencies", dependency.name.as_str()));
        self.key("kind", dependency.kind.as_str());
        let url = dependency.target.as_ref().map(ToString::to_string);
        self.key("url", url.unwrap_or_default());
        self.key("policy", dependency.policy.as_str());
        let needs = dependency.needs.iter().map(ToString::to_string);
        self.key("needs", needs.collect::<Vec<_>>());
        match &dependency.target {
            Some(Target::Postgres(PostgresTarget { access, .. })) => {
                let access = match access {
                    ServerAccess::Primary => "primary",
                    ServerAccess::Any => "any",
                };
                self.key("access", access);
            }
            Some(Target::Http(HttpTarget {
                headers, accept, ..
            })) => {
                let codes = accept.iter().map(|code| i64::from(*code));
                self.key("accept", codes.collect::<Vec<_>>());
                let headers = headers
                    .iter()
                    .map(|(name, value)| (name.clone(), Value::from(hidden(value))));
                self.key("headers", headers.collect::<toml::Table>());
            }
            _ => {}
        }
        let checks = &dependency.checks;
        self.check("interval", time(checks.interval));
        self.check("fast_interval", time(checks.fast_interval));
        self.check("max_backoff", time(checks.max_backoff));
        self.check("jitter", checks.jitter);
        self.check("connect_timeout", time(checks.connect_timeout));
        self.check("timeout", time(checks.timeout));
        self.check("fall", i64::from(checks.fall));
        self.check("rise", i64::from(checks.rise));
        let deadline = checks.startup_deadline.map(time);
        self.check(
            "startup_deadline",
            deadline.unwrap_or_else(|| "never".to_owned()),
        );
    }

    /// A setting that `[checks]` gives to every dependency without its own.
    fn check(&mut self, name: &str, value: impl Into<Value>) {
        let own = format!("{}.{name}", self.section);
        let common = format!("checks.{name}");
        self.key_from(name, value, &[&own, &common]);
    }
}

fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// The largest unit that divides it, so that it reads back exactly.
fn size(bytes: usize) -> Value {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes > 0 && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit).into();
        }
    }
    bytes.to_string().into()
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn hidden(secret: &Secret) -> &'static str {
    if secret.is_empty() { "" } else { "***" }
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Any => "*".to_owned(),
        Origin::Exact(exact) => exact.clone(),
        Origin::Subdomain { scheme, suffix } => format!("{scheme}*{suffix}"),
    }
}
