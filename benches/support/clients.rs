//! Clients that ask again and again until they get what they wait for.

use std::time::Duration;

use rand::RngExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::support::{Daemon, DaemonOptions, Postgres, Redis, client};

/// The longest that anything here may take: on a busy machine it is a while
/// before thousands of dependencies are up in one and the same moment.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two questions: what is measured is this much too long at most, and
/// the machine has time for those who are measured.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// The moment in which `ask` first says yes.
pub(crate) async fn moment(
    what: &str,
    pause: Duration,
    mut ask: impl AsyncFnMut() -> bool,
) -> Instant {
    let began = Instant::now();
    loop {
        if ask().await {
            return Instant::now();
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(pause).await;
    }
}

/// The moment in which a port accepts connections.
pub(crate) async fn accepts(port: u16) -> Instant {
    moment("the API accepts", PAUSE, async || {
        TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    })
    .await
}

/// The moment in which the API answers 200.
pub(crate) async fn answers(port: u16) -> Instant {
    moment("the API answers", PAUSE, async || {
        let answer = client::get(port, "/health/ready").await;
        answer.is_ok_and(|response| response.code == 200)
    })
    .await
}

/// The moment in which Postgres answers a query over a new connection.
pub(crate) async fn postgres_answers(port: u16) -> Instant {
    moment("Postgres answers", PAUSE, async || {
        query(port, "SELECT 1").await.is_some()
    })
    .await
}

/// The first column of the first row.
pub(crate) async fn query(port: u16, sql: &str) -> Option<String> {
    let (client, connection) = tokio_postgres::Config::new()
        .host("127.0.0.1")
        .port(port)
        .user("postgres")
        .dbname("postgres")
        .connect(tokio_postgres::NoTls)
        .await
        .ok()?;
    let messages = tokio::select! {
        messages = client.simple_query(sql) => messages.ok()?,
        _ = connection => return None,
    };
    messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// The moment in which Redis answers over a new connection.
pub(crate) async fn redis_answers(port: u16) -> Instant {
    moment("Redis answers", PAUSE, async || {
        ping(port).await.unwrap_or(false)
    })
    .await
}

pub(crate) async fn ping(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 64];
    let count = stream.read(&mut answer).await?;
    Ok(answer[..count].starts_with(b"+PONG"))
}

/// The moment in which readiness says something.
pub(crate) async fn ready_says(
    daemon: &Daemon,
    pause: Duration,
    says: impl Fn(&Value) -> bool,
) -> Instant {
    let admin = daemon.admin();
    moment("readiness changes", pause, async || {
        let answer = client::get(admin, "/health/ready").await;
        answer.is_ok_and(|response| says(&response.json()))
    })
    .await
}

/// The moment in which readiness has this overall status.
pub(crate) async fn overall(daemon: &Daemon, status: &str) -> Instant {
    ready_says(daemon, PAUSE, |document| document["status"] == status).await
}

/// Some time of the next tenth of a second, so that what happens falls
/// anywhere between two checks.
pub(crate) async fn chance() {
    sleep(Duration::from_millis(rand::rng().random_range(0..100))).await;
}

/// A daemon that needs this database and knows this cache, with default
/// settings.
pub(crate) fn in_front_of(database: &Postgres, redis: &Redis) -> DaemonOptions {
    DaemonOptions::default()
        .database(&database.url())
        .cache(&redis.url())
}
