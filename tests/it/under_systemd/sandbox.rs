//! What the unit forbids the daemon, and what it must still be able to do.

use hyper::Method;
use tokio::net::UnixStream;

use super::Machine;
use crate::support::{Authority, DaemonOptions, Port, PostgresOptions, RedisOptions, client};

/// Every name below it is this machine, says the server of the test.
const DOMAIN: &str = "budgetd.test";

/// Lets the box look names up in a server of its own.
async fn serve_names(machine: &Machine, number: &Port) {
    let [high, low] = number.number().to_be_bytes();
    let address = format!("127.53.{high}.{low}");
    machine
        .systemd
        .write("/etc/resolv.conf", &format!("nameserver {address}\n"));
    let words = [
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--pid-file",
        "--user=root",
        "--bind-interfaces",
        "--no-resolv",
        "--no-hosts",
        &format!("--listen-address={address}"),
        &format!("--address=/{DOMAIN}/127.0.0.1"),
    ];
    machine.run_server("names", &words).await;
    let name = format!("any.{DOMAIN}");
    machine.until_works(&["getent", "hosts", &name]).await;
}

#[tokio::test]
async fn it_breaks_neither_tls_nor_names_nor_unix_sockets() {
    let authority = Authority::new();
    let certificate = |name: &str| authority.certify(&format!("{name}.{DOMAIN}"));
    let database = PostgresOptions::default().tls(certificate("database"));
    let redis = RedisOptions::default().tls(certificate("cache"));
    let (database, redis) = (database.start().await, redis.start().await);
    let names = Port::reserve();
    let options = DaemonOptions::default()
        .brisk()
        .config(
            r#"
            [dependencies.queue]
            kind = "redis"
            url = "unix:///run/queue.sock"
            policy = "required"
            "#,
        )
        // An authority of its own, and one that the system trusts.
        .database(&format!(
            "postgres://postgres@database.{DOMAIN}:{}/postgres?sslmode=verify-full&sslrootcert=/etc/budgetd/root.pem",
            database.port()
        ))
        .cache(&format!("rediss://cache.{DOMAIN}:{}/0", redis.port()))
        .variable("REDIS_REQUIRED", "true")
        .variable("BUDGETD__ADMIN__LISTEN", "unix:/run/budgetd/admin.sock");
    let machine = Machine::boot(options);
    let root = std::fs::read_to_string(authority.root()).unwrap();
    machine.systemd.write("/etc/budgetd/root.pem", &root);
    machine
        .systemd
        .write("/etc/ssl/certs/ca-certificates.crt", &root);
    serve_names(&machine, &names).await;
    let queue = [
        "redis-server",
        "--port",
        "0",
        "--save",
        "",
        "--unixsocket",
        "/run/queue.sock",
        "--unixsocketperm",
        "777",
    ];
    machine.run_server("queue", &queue).await;
    machine.start().await;

    let ready = machine.get("/health/ready").await.unwrap().json();
    for name in ["database", "cache", "queue"] {
        assert_eq!(ready["checks"][name]["status"], "ok", "{ready}");
    }
    let status = [
        "budgetd",
        "status",
        "--env-file",
        "/etc/budgetd/budgetd.env",
    ];
    assert!(machine.must(&status).await.contains("queue"));

    // It may look at no process but itself.
    let socket = machine.systemd.path("/run/budgetd/admin.sock");
    let stream = UnixStream::connect(socket).await.unwrap();
    let metrics = client::request_over(stream, Method::GET, "/metrics", &[], "").await;
    let metrics = metrics.unwrap().body;
    for name in [
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_threads",
    ] {
        assert!(metrics.contains(&format!("\n{name} ")), "{name} is missing");
    }
}
