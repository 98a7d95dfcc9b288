use std::collections::BTreeSet;

use super::super::load::load_with;
use super::super::section::Report;
use super::super::{env_file, legacy_env};
use super::*;

const TOML: &str = include_str!("../../../etc/budgetd.toml");
const ENV: &str = include_str!("../../../etc/budgetd.env.example");

#[test]
fn the_shipped_file_says_the_defaults() {
    let loaded = given().file(TOML).loaded();
    assert_eq!(loaded.config, Config::builtin());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn every_known_key_stands_in_the_shipped_file_with_an_explanation() {
    let report = Report::default();
    let given = given().file(TOML);
    load_with(&given.sources, &report).unwrap();
    let table: toml::Table = TOML.parse().unwrap();
    let settings = table["checks"].as_table().unwrap();

    let mut explained = BTreeSet::new();
    for line in TOML
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
    {
        let (key, rest) = line.split_once(" = ").unwrap();
        if rest.contains('#') {
            explained.insert(key.to_owned());
        }
    }
    let known = report.known.borrow();
    assert!(known.len() > 60, "{known:?}");
    for path in known.iter() {
        let keys: Vec<&str> = path.split('.').collect();
        let key = *keys.last().unwrap();
        assert!(explained.contains(key), "{path} is not explained");
        // Any dependency can have what stands in [checks].
        if keys[0] == "dependencies" && settings.contains_key(key) {
            continue;
        }
        // What belongs to another kind stands with that kind.
        let foreign = match keys[..] {
            ["dependencies", name, "access"] => name != "database",
            ["dependencies", name, "accept" | "headers"] => name != "supabase_auth",
            _ => false,
        };
        if foreign {
            continue;
        }
        let mut value = Some(&toml::Value::Table(table.clone())).cloned();
        for key in &keys {
            value = value.and_then(|value| value.get(key).cloned());
        }
        assert!(value.is_some(), "{path} is missing");
    }
}

#[test]
fn every_old_variable_stands_in_the_shipped_env_file_and_can_be_used() {
    for name in legacy_env::names() {
        assert!(ENV.contains(&format!("\n#{name}=")), "{name} is missing");
    }
    let uncommented: String = ENV
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(env_file::parse(&uncommented).iter().all(Result::is_ok));
    let loaded = given().env_file(&uncommented).loaded();
    assert_eq!(loaded.warnings, []);
    assert!(given().env_file(ENV).loaded().origins.is_empty());
}

#[test]
fn the_resolved_configuration_reads_back_as_itself() {
    let resolved = given().loaded().resolved_toml();
    assert_eq!(given().file(&resolved).config(), Config::builtin());
}

#[test]
fn what_is_chosen_instead_of_a_default_reads_back_as_well() {
    let chosen = given()
        .file(
            "api.allowed_origins = ['https://*.example.app', 'https://one.example']\n\
             api.health_details = 'status'\napi.max_body = 1001\napi.import_max_body = '1GiB'\n\
             admin.listen = 'unix:/run/budgetd/admin.sock'\n\
             log.format = 'json'\n\
             lifecycle.on_required_loss = 'exit'\n\
             database.migrate = 'check'\n\
             dependencies.database.access = 'any'\n",
        )
        .loaded();
    let config = given().file(chosen.resolved_toml()).config();
    assert_eq!(config, chosen.config);
    assert_ne!(config, Config::builtin());
    for other in [
        "admin.listen = ''",
        "log.format = 'pretty'",
        "api.allowed_origins = ['*']",
    ] {
        let loaded = given().file(chosen.resolved_toml()).file(other).loaded();
        assert_ne!(loaded.config, chosen.config, "{other}");
        assert_eq!(
            given().file(loaded.resolved_toml()).config(),
            loaded.config,
            "{other}"
        );
    }
}

#[test]
fn the_resolved_configuration_tells_where_values_came_from() {
    let resolved = given()
        .file("checks.fall = 5\ndependencies.cache.fall = 6\n")
        .variable("DATABASE_URL", "postgres://me:hunter2@db/budget")
        .variable("SUPABASE_URL", "https://project.example")
        .variable("SUPABASE_ANON_KEY", "hunter2")
        .variable("SUPABASE_JWT_SECRET", "hunter2")
        .loaded()
        .resolved_toml();
    for line in [
        r#"url = "postgres://db:5432/budget"  # from the variable DATABASE_URL"#,
        r#"jwt_secret = "***"  # from the variable SUPABASE_JWT_SECRET"#,
        r#"headers = { apikey = "***" }"#,
        r#"issuer = "https://project.example/auth/v1"  # from the variable SUPABASE_URL"#,
    ] {
        assert!(resolved.contains(line), "{line} is not in\n{resolved}");
    }
    assert_eq!(resolved.matches("fall = 5").count(), 2, "{resolved}");
    assert_eq!(resolved.matches("fall = 6").count(), 1, "{resolved}");
    assert!(resolved.contains("0.toml, line 2"), "{resolved}");
    assert!(!resolved.contains("hunter2"), "{resolved}");
}
