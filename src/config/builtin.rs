//! What holds when nobody says anything.

use std::time::Duration;

use super::{
    Address, Admin, AdminListen, Api, Auth, Cache, Checks, Config, Database, Dependency,
    HealthDetails, Lifecycle, Limits, Listen, Log, LogFormat, Migrate, OnRequiredLoss, Origin,
    PostgresTarget, RedisTarget, Secret, ServerAccess, SslMode, Target,
};
use crate::dependency::{CACHE, DATABASE, Kind, Name, Policy, SUPABASE_AUTH};

impl Config {
    /// The configuration of a daemon that was told nothing.
    pub fn builtin() -> Self {
        Self {
            environment: "production".to_owned(),
            api: api(),
            admin: Admin {
                listen: AdminListen::Tcp(listen(9640)),
            },
            log: Log {
                format: LogFormat::Auto,
                level: "info".to_owned(),
            },
            lifecycle: Lifecycle {
                drain_delay: Duration::from_secs(10),
                drain_timeout: Duration::from_secs(30),
                on_required_loss: OnRequiredLoss::Unavailable,
            },
            auth: Auth {
                supabase_url: String::new(),
                jwt_secret: Secret::default(),
                key_set: None,
                issuer: String::new(),
                issuer_required: false,
                audience: "authenticated".to_owned(),
                organization_claim: Vec::new(),
            },
            database: Database {
                direct: None,
                pool_size: 16,
                pool_timeout: Duration::from_secs(2),
                statement_timeout: Duration::from_secs(10),
                max_lifetime: Duration::from_mins(30),
                migrate: Migrate::Auto,
            },
            cache: Cache {
                timeout: Duration::from_millis(250),
                retries: 1,
                ttl: Duration::from_hours(1),
            },
            limits: Limits {
                reads_per_minute: 200,
                writes_per_minute: 100,
            },
            dependencies: dependencies(),
        }
    }
}

fn api() -> Api {
    Api {
        listen: listen(8000),
        title: "EFIR Budget Planning API".to_owned(),
        allowed_origins: ["http://localhost:5173", "http://localhost:3000"]
            .map(|origin| Origin::Exact(origin.to_owned()))
            .to_vec(),
        max_connections: 10_000,
        max_body: 1024 * 1024,
        import_max_body: 32 * 1024 * 1024,
        header_timeout: Duration::from_secs(5),
        request_timeout: Duration::from_secs(15),
        keep_alive_timeout: Duration::from_secs(75),
        body_idle_timeout: Duration::from_secs(20),
        health_details: HealthDetails::Full,
        trusted_proxies: Vec::new(),
    }
}

fn listen(port: u16) -> Listen {
    Listen {
        host: "127.0.0.1".to_owned(),
        port,
    }
}

/// The three that the existing deployment knows: the keys of its readiness
/// document.
fn dependencies() -> Vec<Dependency> {
    let local = |port| Address::Tcp {
        host: "localhost".to_owned(),
        port,
    };
    let database = Target::Postgres(PostgresTarget {
        address: local(5432),
        user: "postgres".to_owned(),
        password: None,
        database: "postgres".to_owned(),
        ssl_mode: SslMode::Prefer,
        ssl_root_cert: None,
        access: ServerAccess::Primary,
    });
    let cache = Target::Redis(RedisTarget {
        address: local(6379),
        tls: false,
        user: None,
        password: None,
        database: 0,
    });
    [
        (DATABASE, Kind::Postgres, Policy::Required, Some(database)),
        (CACHE, Kind::Redis, Policy::Optional, Some(cache)),
        (SUPABASE_AUTH, Kind::Http, Policy::Optional, None),
    ]
    .into_iter()
    .filter_map(|(name, kind, policy, target)| {
        Some(Dependency {
            name: name.parse::<Name>().ok()?,
            kind,
            policy,
            needs: Vec::new(),
            target,
            checks: Checks::default(),
        })
    })
    .collect()
}

/// The status codes that mean reachable when nobody lists any.
pub(super) fn accept(dependency: &str) -> Vec<u16> {
    if dependency == SUPABASE_AUTH {
        // The gateway in front of the auth API answers 401 without a key.
        vec![200, 401]
    } else {
        vec![200]
    }
}
