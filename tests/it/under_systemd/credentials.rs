//! Secrets by `LoadCredential=`.

use super::{Machine, UNIT};
use crate::support::caller::{Caller, JWT_SECRET};
use crate::support::{DaemonOptions, PostgresOptions, RedisOptions, drop_in};

const DATABASE_PASSWORD: &str = "word-of-the-database";
const CACHE_PASSWORD: &str = "word-of-the-cache";

#[tokio::test]
async fn they_arrive_win_and_are_known_to_a_reload() {
    let database = PostgresOptions::default().password(DATABASE_PASSWORD);
    let redis = RedisOptions::default().password(CACHE_PASSWORD);
    let (database, redis) = (database.start().await, redis.start().await);
    let options = DaemonOptions::default()
        .brisk()
        .variable("DATABASE_REQUIRED", "true")
        .variable("DATABASE_URL", "postgres://127.0.0.1:1/not-this-one")
        // Without the credential this is an error.
        .variable("REDIS_REQUIRED", "true")
        .variable("REDIS_ENABLED", "true")
        .variable("REDIS_URL", "");
    let machine = Machine::boot(options);
    for (name, secret) in [
        ("database_url", database.url().as_str()),
        ("redis_url", &redis.url()),
        ("supabase_jwt_secret", JWT_SECRET),
    ] {
        let path = format!("/etc/budgetd/credentials/{name}");
        machine.systemd.write(&path, &format!("{secret}\n"));
        machine.must(&["chmod", "600", &path]).await;
    }
    machine
        .must(&["chmod", "700", "/etc/budgetd/credentials"])
        .await;
    machine.edit(UNIT, &drop_in("credentials.conf")).await;
    machine.start().await;

    let ready = machine.get("/health/ready").await.unwrap().json();
    assert_eq!(ready["checks"]["database"]["status"], "ok", "{ready}");
    assert_eq!(ready["checks"]["cache"]["status"], "ok", "{ready}");
    let caller = Caller::at(machine.options.api_port());
    let list = caller.role("viewer").get("/budget-versions").await;
    assert_eq!(list.code, 200, "{}", list.body);

    machine.must(&["systemctl", "reload", UNIT]).await;
    machine.until_event("config_reloaded").await;
    let journal = machine.must(&["journalctl", "-o", "export"]).await;
    for secret in [DATABASE_PASSWORD, CACHE_PASSWORD, JWT_SECRET] {
        assert!(!journal.contains(secret), "{secret} is in the journal");
    }
}
