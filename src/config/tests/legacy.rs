use std::time::Duration;

use super::*;
use crate::dependency::Policy;

#[track_caller]
fn policy(given: &Given, dependency: &str) -> Policy {
    given.config().dependency(dependency).unwrap().policy
}

#[test]
fn an_existing_deployment_starts_unchanged() {
    let loaded = given()
        .variable(
            "DATABASE_URL",
            r#" "postgresql+asyncpg://budget:p%40ss@db.example:6543/budget?pgbouncer=true&ssl=require" "#,
        )
        .variable("DIRECT_URL", "postgresql://budget:p%40ss@db.example:5432/budget")
        .variable("DATABASE_REQUIRED", "false")
        .variable("REDIS_URL", "'rediss://:secret@cache.example:6380/2'")
        .variable("REDIS_ENABLED", "true")
        .variable("REDIS_REQUIRED", "True")
        .variable("REDIS_CONNECT_TIMEOUT", "1.5")
        .variable("REDIS_SOCKET_TIMEOUT", "3")
        .variable("REDIS_MAX_RETRIES", "4")
        .variable("SUPABASE_URL", "https://project.example.co/")
        .variable("SUPABASE_AUTH_REQUIRED", "true")
        .variable("SUPABASE_JWT_SECRET", " 'jwt' ")
        .variable("SUPABASE_ANON_KEY", "anon")
        .variable("API_HOST", "0.0.0.0")
        .variable("API_PORT", "8080")
        .variable("ALLOWED_ORIGINS", "https://app.example, https://*.example.app")
        .variable("ENVIRONMENT", "staging")
        .loaded();
    let config = &loaded.config;
    let database = config.dependency("database").unwrap();
    assert_eq!(database.policy, Policy::Optional);
    let Some(Target::Postgres(target)) = &database.target else {
        panic!("it has an address");
    };
    assert_eq!(target.password, Some(Secret::from("p@ss")));
    assert_eq!(target.ssl_mode, SslMode::Require);
    assert_eq!(
        config.database.direct.as_ref().unwrap().to_string(),
        "postgres://db.example:5432/budget"
    );
    let cache = config.dependency("cache").unwrap();
    assert_eq!(cache.policy, Policy::Required);
    assert_eq!(shown(config, "cache"), "rediss://cache.example:6380/2");
    assert_eq!(cache.checks.connect_timeout, Duration::from_millis(1500));
    assert_eq!(cache.checks.timeout, Duration::from_secs(3));
    assert_eq!(config.cache.retries, 4);
    let auth = config.dependency("supabase_auth").unwrap();
    assert_eq!(auth.policy, Policy::Required);
    let Some(Target::Http(target)) = &auth.target else {
        panic!("it has an address");
    };
    assert_eq!(
        target.headers,
        [("apikey".to_owned(), Secret::from("anon"))]
    );
    assert_eq!(
        shown(config, "supabase_auth"),
        "https://project.example.co:443/auth/v1/health"
    );
    assert_eq!(config.auth.supabase_url, "https://project.example.co");
    assert_eq!(config.auth.issuer, "https://project.example.co/auth/v1");
    assert!(!config.auth.issuer_required);
    assert_eq!(
        config.auth.key_set.as_ref().unwrap().to_string(),
        "https://project.example.co:443/auth/v1/.well-known/jwks.json"
    );
    assert_eq!(config.auth.jwt_secret, Secret::from("jwt"));
    assert_eq!(config.api.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(config.api.allowed_origins.len(), 2);
    assert_eq!(config.environment, "staging");
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["dependencies.database.url from the variable DATABASE_URL: \
          the URL's parameter `pgbouncer` is ignored"]
    );
}

#[test]
fn empty_variables_are_unset_and_empty_urls_are_not_configured() {
    let mut all = given();
    for name in super::super::legacy_env::names() {
        if name != "DATABASE_URL" {
            all = all.variable(name, " '' ");
        }
    }
    let mut expected = Config::builtin();
    expected.dependencies[1].target = None;
    assert_eq!(all.config(), expected);

    assert_eq!(
        given().variable("DATABASE_URL", "").problems(),
        "cannot use dependencies.database.url from the variable DATABASE_URL: \
         it is empty, but its policy is required: set a URL or another policy"
    );
}

#[test]
fn the_variables_of_redis_make_one_policy() {
    let cache = |enabled: &str, required: &str| {
        let given = given()
            .variable("REDIS_ENABLED", enabled)
            .variable("REDIS_REQUIRED", required);
        policy(&given, "cache")
    };
    assert_eq!(cache("", ""), Policy::Optional);
    assert_eq!(cache("true", ""), Policy::Optional);
    assert_eq!(cache("1", "yes"), Policy::Required);
    assert_eq!(cache("", "true"), Policy::Required);
    assert_eq!(cache("false", ""), Policy::Disabled);
    assert_eq!(cache("false", "false"), Policy::Disabled);
}

#[test]
fn redis_enabled_leaves_the_policy_of_the_file_unless_that_is_disabled() {
    let cache = |file: &str| {
        let file = format!("dependencies.cache.policy = '{file}'");
        policy(
            &given().file(file).variable("REDIS_ENABLED", "true"),
            "cache",
        )
    };
    assert_eq!(cache("required"), Policy::Required);
    assert_eq!(cache("startup"), Policy::Startup);
    assert_eq!(cache("disabled"), Policy::Optional);
}

#[test]
fn a_later_layer_overrides_the_variables_of_redis() {
    let all = given()
        .env_file("REDIS_ENABLED=false")
        .variable("BUDGETD__DEPENDENCIES__CACHE__POLICY", "startup");
    assert_eq!(policy(&all, "cache"), Policy::Startup);
    let all = given()
        .env_file("BUDGETD__DEPENDENCIES__CACHE__POLICY=startup")
        .variable("REDIS_ENABLED", "false");
    assert_eq!(policy(&all, "cache"), Policy::Disabled);
    let all = given()
        .env_file("REDIS_ENABLED=false")
        .variable("REDIS_ENABLED", "true");
    assert_eq!(policy(&all, "cache"), Policy::Optional);
}

#[test]
fn contradicting_variables_of_redis_say_so_across_layers() {
    let all = given()
        .env_file("REDIS_ENABLED=false")
        .variable("REDIS_REQUIRED", "true");
    assert_eq!(
        all.problems(),
        "cannot use the variable REDIS_REQUIRED: it is true while the variable REDIS_ENABLED \
         in 0.env is false: enable Redis, or do not require it"
    );
    let all = given()
        .env_file("REDIS_URL=''")
        .variable("REDIS_ENABLED", "true");
    assert_eq!(
        all.problems(),
        "cannot use the variable REDIS_ENABLED: it is true while the URL of Redis from the \
         variable REDIS_URL in 0.env is empty: set REDIS_URL, or set REDIS_ENABLED=false"
    );
    let all = all.credential("redis_url", "redis://cache/1");
    assert_eq!(shown(&all.config(), "cache"), "redis://cache:6379/1");
}

#[test]
fn host_and_port_each_replace_their_half() {
    let listen = |given: &Given| given.config().api.listen.to_string();
    let file = || given().file("api.listen = '10.0.0.1:9000'");
    assert_eq!(listen(&given().variable("API_PORT", "81")), "127.0.0.1:81");
    assert_eq!(listen(&file().variable("API_PORT", "81")), "10.0.0.1:81");
    assert_eq!(listen(&file().variable("API_HOST", "::")), "[::]:9000");
    let split = file().env_file("API_HOST=[::1]").variable("API_PORT", "82");
    assert_eq!(listen(&split), "[::1]:82");
    let newer = split.variable("BUDGETD__API__LISTEN", "localhost:1");
    assert_eq!(listen(&newer), "localhost:1");

    let problems = file()
        .variable("API_PORT", "99999")
        .variable("API_HOST", "a b")
        .problems();
    assert!(problems.contains("the variable API_PORT: a port from 0 to 65535"));
    assert!(problems.contains("api.listen from the variable API_HOST: host and port"));
}

#[test]
fn the_timeout_of_redis_is_the_ceiling_of_an_operation() {
    let short = given().variable("REDIS_SOCKET_TIMEOUT", "0.1").loaded();
    assert_eq!(short.config.cache.timeout, Duration::from_millis(100));
    assert!(short.warnings.is_empty());

    let asked = given()
        .file("cache.timeout = '500ms'")
        .variable("REDIS_SOCKET_TIMEOUT", "0.1")
        .loaded();
    assert_eq!(asked.config.cache.timeout, Duration::from_millis(100));
    assert_eq!(asked.warnings.len(), 1);
    let warning = asked.warnings[0].to_string();
    assert!(warning.contains("REDIS_SOCKET_TIMEOUT"), "{warning}");
}

#[test]
fn seconds_must_be_positive_and_finite() {
    for text in [
        "0",
        "-1",
        "nan",
        "inf",
        "1e300",
        "1e-12",
        "soon",
        "5 parsecs",
    ] {
        for (variable, key) in [
            ("REDIS_CONNECT_TIMEOUT", "connect_timeout"),
            ("REDIS_SOCKET_TIMEOUT", "timeout"),
        ] {
            assert_eq!(
                given().variable(variable, text).problems(),
                format!(
                    "cannot use dependencies.cache.{key} from the variable {variable}: \
                     a duration from 1ms to 10m is expected, written in seconds"
                ),
                "{text}"
            );
        }
    }
    let unit = given().variable("REDIS_SOCKET_TIMEOUT", "250ms").config();
    let cache = unit.dependency("cache").unwrap();
    assert_eq!(cache.checks.timeout, Duration::from_millis(250));
}

#[test]
fn the_auth_api_is_not_configured_without_its_url() {
    let config = given().variable("SUPABASE_ANON_KEY", "key").config();
    assert_eq!(config.dependency("supabase_auth").unwrap().target, None);
    let problems = given()
        .variable("SUPABASE_AUTH_REQUIRED", "true")
        .problems();
    assert!(
        problems.contains("SUPABASE_AUTH_REQUIRED: it is empty"),
        "{problems}"
    );
}
