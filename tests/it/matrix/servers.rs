//! The servers that rows share: some are well, and the others are so for good
//! as a fault has it. A row's proxy leads to the one and then to the other.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use hyper::Method;
use tokio_postgres::NoTls;

use super::axes::{Dependency, Fault};
use super::case::Case;
use crate::support::caller::Caller;
use crate::support::{
    Authority, DaemonOptions, Page, PgBouncerOptions, Postgres, PostgresOptions, RedisOptions,
    ServerCertificate, Website, wait,
};

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stand {
    Well,
    /// It wants [`PASSWORD`].
    Password,
    OtherPassword,
    WithoutDatabase,
    Starting,
    Recovery,
    ReadOnly,
    Full,
    /// It speaks TLS.
    Tls,
    WrongName,
    Expired,
    UnknownAuthority,
}

pub(super) const PASSWORD: &str = "sesame-4711";

/// How a server is before and under a fault.
pub(super) fn stands(fault: Fault) -> (Stand, Stand) {
    match fault {
        Fault::WrongPassword => (Stand::Password, Stand::OtherPassword),
        Fault::UnknownDatabase => (Stand::Well, Stand::WithoutDatabase),
        Fault::Starting => (Stand::Well, Stand::Starting),
        Fault::Recovery => (Stand::Well, Stand::Recovery),
        Fault::ReadOnly => (Stand::Well, Stand::ReadOnly),
        Fault::Full => (Stand::Well, Stand::Full),
        Fault::WrongName => (Stand::Tls, Stand::WrongName),
        Fault::Expired => (Stand::Tls, Stand::Expired),
        Fault::UnknownAuthority => (Stand::Tls, Stand::UnknownAuthority),
        _ => (Stand::Well, Stand::Well),
    }
}

/// All that rows share. It may be looked at from every thread.
#[derive(Debug)]
pub(super) struct Servers {
    ports: BTreeMap<(Dependency, Stand), u16>,
    root: PathBuf,
    data: PathBuf,
    version: String,
}

/// What must live as long as they are used.
pub(super) struct Alive(#[expect(dead_code, reason = "it is only held")] Vec<Box<dyn Any>>);

impl Servers {
    /// Starts what some rows need.
    pub(super) async fn start(cases: &[Case]) -> (Self, Alive) {
        let authorities = Authorities::new();
        let (budget, version) = budget().await;
        let mut needed: BTreeSet<(Dependency, Stand)> = cases
            .iter()
            .flat_map(|case| {
                let (before, under) = stands(case.fault);
                [(case.dependency, before), (case.dependency, under)]
            })
            .collect();
        // Who works under load reads the budget from the one; what holds a gate
        // or a reload up is the other.
        needed.insert((Dependency::Postgres, Stand::Well));
        needed.insert((Dependency::Http, Stand::Well));
        let data = budget.data();
        let shop = Shop {
            data: &data,
            authorities: &authorities,
        };
        let started = needed.into_iter().map(async |(dependency, stand)| {
            ((dependency, stand), shop.start(dependency, stand).await)
        });
        let (mut ports, mut alive) = (BTreeMap::new(), Vec::<Box<dyn Any>>::new());
        for (key, (port, server)) in join_all(started).await {
            ports.insert(key, port);
            alive.push(server);
        }
        let root = authorities.known.root();
        alive.push(Box::new((authorities, budget)));
        let servers = Self {
            ports,
            root,
            data,
            version,
        };
        (servers, Alive(alive))
    }

    pub(super) fn port(&self, dependency: Dependency, stand: Stand) -> u16 {
        self.ports[&(dependency, stand)]
    }

    /// The file of the authority that daemons trust.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The data of a database with a budget in it, to be copied.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// A path below `/api/v1` that reads the budget.
    pub(super) fn summary(&self) -> String {
        format!("/consolidation/{}/summary", self.version)
    }
}

struct Authorities {
    known: Authority,
    unknown: Authority,
}

impl Authorities {
    fn new() -> Self {
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

/// A database with a budget, made through the daemon and stopped; and its
/// version.
async fn budget() -> (Postgres, String) {
    let mut postgres = Postgres::start().await;
    let daemon = DaemonOptions::default()
        .tokens()
        .database(&postgres.url())
        .serve()
        .await;
    let manager = Caller::new(&daemon, "manager");
    let version = manager.create("Budget", 2026).await;
    let id = version["id"].as_str().expect("it has one").to_owned();
    let csv = include_str!("../../../examples/budget.csv");
    let loaded = manager
        .post_csv(&format!("/budget-versions/{id}/lines"), csv)
        .await;
    assert!(loaded.code < 300, "{}", loaded.body);
    let summary = manager
        .try_send(Method::GET, &format!("/consolidation/{id}/summary"), "")
        .await;
    assert_eq!(summary.expect("an answer").code, 200);
    drop(daemon);
    postgres.stop().await;
    (postgres, id)
}

/// A server that was started, and its port.
type Started = (u16, Box<dyn Any>);

struct Shop<'a> {
    data: &'a Path,
    authorities: &'a Authorities,
}

impl Shop<'_> {
    async fn start(&self, dependency: Dependency, stand: Stand) -> Started {
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
