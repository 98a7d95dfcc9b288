//! How each server is made to stand as it does.

use std::any::Any;
use std::net::TcpStream;
use std::path::Path;

use tokio_postgres::NoTls;

use super::{PASSWORD, Stand};
use crate::matrix::axes::Dependency;
use crate::support::{
    Authority, Page, PgBouncerOptions, Postgres, PostgresOptions, RedisOptions, ServerCertificate,
    Website, wait,
};

pub(super) struct Authorities {
    pub(super) known: Authority,
    unknown: Authority,
}

impl Authorities {
    pub(super) fn new() -> Self {
        Self {
            known: Authority::new(),
            unknown: Authority::new(),
        }
    }

    /// What a server shows that stands like this, if it speaks TLS.
    fn certificate(&self, stand: Stand) -> Option<ServerCertificate> {
        Some(match stand {
            Stand::Tls => self.known.certify("localhost"),
            Stand::WrongName => self.known.certify("elsewhere.test"),
            Stand::Expired => self.known.certify_expired("localhost"),
            Stand::UnknownAuthority => self.unknown.certify("localhost"),
            _ => return None,
        })
    }
}

/// A server that was started, and its port.
pub(super) type Started = (u16, Box<dyn Any>);

pub(super) struct Shop<'a> {
    pub(super) data: &'a Path,
    pub(super) authorities: &'a Authorities,
}

impl Shop<'_> {
    pub(super) async fn start(&self, dependency: Dependency, stand: Stand) -> Started {
        match dependency {
            Dependency::Postgres => self.postgres(stand).await,
            Dependency::Pooled => self.pooled(stand).await,
            Dependency::Redis => self.redis(stand).await,
            Dependency::Http | Dependency::Tcp => self.website(stand).await,
        }
    }

    async fn postgres(&self, stand: Stand) -> Started {
        let postgres = self.server(stand).await;
        let port = postgres.port();
        match stand {
            Stand::Full => {
                let guest = fill(&postgres.url()).await;
                (port, Box::new((guest, postgres)))
            }
            Stand::WithoutDatabase => {
                let rename = "ALTER DATABASE postgres RENAME TO elsewhere";
                postgres.execute_in("template1", rename).await;
                (port, Box::new(postgres))
            }
            _ => (port, Box::new(postgres)),
        }
    }

    async fn server(&self, stand: Stand) -> Postgres {
        // Far more than a row needs, for all of them.
        let options = PostgresOptions::default().data(self.data);
        let roomy = |options: PostgresOptions| options.setting("max_connections", "600");
        let options = match stand {
            Stand::Password => roomy(options.password(PASSWORD)),
            Stand::OtherPassword => options.password("another-4711"),
            Stand::Starting => options.standby().setting("hot_standby", "off"),
            Stand::Recovery => options.standby(),
            Stand::ReadOnly => roomy(options).setting("default_transaction_read_only", "on"),
            Stand::Full => options
                .setting("max_connections", "1")
                .setting("superuser_reserved_connections", "0")
                .setting("max_wal_senders", "0"),
            _ => roomy(options),
        };
        match self.authorities.certificate(stand) {
            Some(certificate) => options.tls(certificate).start().await,
            None => options.start().await,
        }
    }

    async fn pooled(&self, stand: Stand) -> Started {
        let behind = match stand {
            Stand::Password | Stand::Starting | Stand::Recovery | Stand::ReadOnly => stand,
            _ => Stand::Well,
        };
        let postgres = self.server(behind).await;
        let roomy = PgBouncerOptions::default()
            .setting("default_pool_size", "20")
            .setting("max_client_conn", "1000");
        let options = match stand {
            Stand::OtherPassword => roomy.password("another-4711"),
            Stand::WithoutDatabase => roomy.database("elsewhere"),
            Stand::Full => PgBouncerOptions::default().setting("max_client_conn", "1"),
            _ => roomy,
        };
        let options = match self.authorities.certificate(stand) {
            Some(certificate) => options.tls(certificate),
            None => options,
        };
        let pooler = options.start(&postgres).await;
        let guest = match stand {
            Stand::Full => Some(fill(&pooler.url().replace("?pgbouncer=true", "")).await),
            _ => None,
        };
        (pooler.port(), Box::new((guest, pooler, postgres)))
    }

    async fn redis(&self, stand: Stand) -> Started {
        let options = RedisOptions::default();
        // Nobody listens on port 1.
        let orphan = |serves: &str| {
            RedisOptions::default()
                .setting("replicaof", "127.0.0.1 1")
                .setting("replica-serve-stale-data", serves)
        };
        let options = match stand {
            Stand::Password => options.password(PASSWORD),
            Stand::OtherPassword => options.password("another-4711"),
            Stand::WithoutDatabase => options.setting("databases", "1"),
            Stand::Starting => return loading().await,
            Stand::Recovery => orphan("no"),
            Stand::ReadOnly => orphan("yes"),
            Stand::Full => options.setting("maxclients", "1"),
            _ => options,
        };
        let redis = match self.authorities.certificate(stand) {
            Some(certificate) => options.tls(certificate).start().await,
            None => options.start().await,
        };
        let port = redis.port();
        let guest = (stand == Stand::Full)
            .then(|| TcpStream::connect(("127.0.0.1", port)).expect("there is room for one"));
        (port, Box::new((guest, redis)))
    }

    async fn website(&self, stand: Stand) -> Started {
        let mut page = Page::code(match stand {
            Stand::OtherPassword => 401,
            Stand::Starting => 503,
            Stand::Full => 429,
            _ => 200,
        });
        page.tls = self.authorities.certificate(stand);
        let site = Website::start(&[page]).await;
        (site.port(0), Box::new(site))
    }
}

/// Takes the only connection there is.
async fn fill(url: &str) -> Box<dyn Any> {
    let connected = wait::until("a free connection", wait::PATIENCE, async || {
        tokio_postgres::connect(url, NoTls).await.ok()
    });
    Box::new(connected.await)
}

/// A Redis that loads its data for as long as anybody may look, and answers
/// between two keys.
async fn loading() -> Started {
    let mut redis = RedisOptions::default()
        .setting("rdbcompression", "no")
        .setting("enable-debug-command", "yes")
        .start()
        .await;
    redis
        .command(&["DEBUG", "POPULATE", "30000", "key", "1100"])
        .await;
    redis.command(&["SAVE"]).await;
    let options = std::mem::take(redis.options());
    // Microseconds for each key, and bytes after which it listens again.
    *redis.options() = options
        .setting("key-load-delay", "100000")
        .setting("loading-process-events-interval-bytes", "1024");
    redis.restart_same_port().await;
    (redis.port(), Box::new(redis))
}
