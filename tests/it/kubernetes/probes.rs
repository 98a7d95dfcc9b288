//! The probes, asked of a daemon with the configuration and the secrets that a
//! pod has.

use futures_util::future::join_all;

use super::{container, file, pod};
use crate::support::caller::{Caller, JWT_SECRET};
use crate::support::{Daemon, DaemonOptions, FaultProxy, Mode, PATIENCE, Postgres, Redis};
use crate::support::{client, wait};

/// Connections to Postgres that a daemon has beside those of its pool: the
/// check's, and for a moment the one that is to replace it.
pub(super) const BESIDE_THE_POOL: u64 = 2;

/// The code that a probe gets, or none where it finds nobody.
async fn probe(daemon: &Daemon, name: &str) -> Option<u16> {
    let asks = &container()[name]["httpGet"];
    let port = match asks["port"].as_str().unwrap() {
        "http" => daemon.api(),
        "admin" => daemon.admin(),
        other => panic!("no port is called {other}"),
    };
    let answer = client::get(port, asks["path"].as_str().unwrap()).await;
    answer.ok().map(|answer| answer.code)
}

/// What the startup, the readiness and the liveness probe get.
async fn probes(daemon: &Daemon) -> [Option<u16>; 3] {
    [
        probe(daemon, "startupProbe").await,
        probe(daemon, "readinessProbe").await,
        probe(daemon, "livenessProbe").await,
    ]
}

/// A daemon as it runs in a pod: the file, and what is secret in files whose
/// names the Deployment gives.
fn in_a_pod(database: &str, cache: &str) -> DaemonOptions {
    let options = DaemonOptions::default().config(&file());
    let folder = options.folder().join("secrets");
    std::fs::create_dir(&folder).unwrap();
    let secret = &pod()["spec"]["volumes"][1]["secret"];
    for item in secret["items"].as_array().unwrap() {
        let value = match item["key"].as_str().unwrap() {
            "database_url" => database,
            "redis_url" => cache,
            "supabase_jwt_secret" => JWT_SECRET,
            other => panic!("{other} is unknown"),
        };
        std::fs::write(folder.join(item["path"].as_str().unwrap()), value).unwrap();
    }
    let mut options = options
        .unset("DATABASE_REQUIRED")
        .unset("DATABASE_URL")
        .unset("REDIS_ENABLED");
    for variable in container()["env"].as_array().unwrap() {
        let (name, value) = (&variable["name"], variable["value"].as_str().unwrap());
        let value = match name.as_str().unwrap() {
            "CREDENTIALS_DIRECTORY" => folder.to_str().unwrap(),
            _ => value,
        };
        options = options.variable(name.as_str().unwrap(), value);
    }
    options
}

#[tokio::test]
async fn they_tell_starting_from_ready_from_lost() {
    let (postgres, redis) = (Postgres::start().await, Redis::start().await);
    let proxy = FaultProxy::in_front_of(postgres.port()).await;
    let address = |port: u16| format!("localhost:{port}");
    let through = postgres
        .url()
        .replace(&address(postgres.port()), &address(proxy.port()));
    assert_ne!(through, postgres.url());
    proxy.set(Mode::Refuse).await;

    let mut daemon = in_a_pod(&through, &redis.url()).start();
    daemon.open().await;
    assert_eq!(probes(&daemon).await, [Some(503), None, Some(200)]);
    proxy.set(Mode::Pass).await;
    daemon.event("application_startup_complete").await;
    assert_eq!(probes(&daemon).await, [Some(200), Some(200), Some(200)]);

    // All secrets have arrived, and requests stay within their connections.
    daemon.until_status("cache", "ok").await;
    let viewer = Caller::new(&daemon, "viewer");
    let answers = join_all((0..100).map(|_| viewer.get("/budget-versions"))).await;
    for answer in answers {
        assert_eq!(answer.code, 200, "{}", answer.body);
    }
    let most = super::configuration().database.pool_size as u64 + BESIDE_THE_POOL;
    let open = proxy.open() as u64;
    assert!((2..=most).contains(&open), "{open} connections");

    proxy.set(Mode::Refuse).await;
    proxy.cut();
    wait::until("the database is missed", PATIENCE, async || {
        let found = probes(&daemon).await;
        (found == [Some(200), Some(503), Some(200)]).then_some(())
    })
    .await;
}
