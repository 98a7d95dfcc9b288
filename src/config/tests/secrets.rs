//! No message, no rendering and no `Debug` of anything ever holds a secret,
//! and nothing panics, whatever is read.

use proptest::prelude::*;

use super::*;

const SECRET: &str = "Tr0ub4dor-3-xyzzy";

/// Everything that loading gives anyone to print.
fn printed(given: &Given) -> String {
    let sources = format!("{:?}", given.sources);
    match load(&given.sources) {
        Ok(loaded) => {
            let resolved = loaded.resolved_toml();
            let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
            let hidden = hidden_changes(&loaded, &loaded);
            format!("{sources}{loaded:?}{resolved}{warnings:?}{hidden:?}")
        }
        Err(problems) => format!("{sources}{problems}{problems:?}"),
    }
}

#[track_caller]
fn keeps(given: &Given) {
    for line in printed(given).lines() {
        for part in ["Tr0ub", "xyzzy"] {
            assert!(!line.contains(part), "{line}");
        }
    }
}

/// URLs that are right or broken, with a password in every place that people
/// put it by mistake.
fn urls() -> Vec<String> {
    let mut urls = Vec::new();
    for scheme in [
        "postgres",
        "postgresql+asyncpg",
        "redis",
        "rediss",
        "http",
        "https",
        "tcp",
        "unix",
        "ftp",
        "",
    ] {
        for rest in [
            "user:S@host/db",
            "user:S@host:port/db",
            "user:S/x@host/db",
            "user:S#x@host/db",
            "user:S?x@host/db",
            "user:x/S@host/db",
            "user:x?S@host",
            "user:x#S@host",
            "user: S@host/db",
            "user:S@a,b/db",
            "user:S@a:1,b:2/db",
            "user:S@[::1/db",
            "user:S@[zz]/db",
            "user:S@/db",
            ":S@host",
            "user:S@host:99999",
            "user:S%ff@host",
            "user:S\n@host/db",
            "user:S\\@host/db",
            "user:S@host/db?sslmode=S",
            "user:S@host/db?x=S&S",
            "host/db?password=S",
            "user:S@host/a/b?S",
            "user:%00S@host",
        ] {
            urls.push(format!("{scheme}://{}", rest.replace('S', SECRET)));
        }
    }
    urls.push(format!("user:{SECRET}@host"));
    urls.push(SECRET.to_owned());
    urls
}

#[test]
fn urls_keep_their_passwords() {
    for url in urls() {
        for name in ["DATABASE_URL", "DIRECT_URL", "REDIS_URL", "SUPABASE_URL"] {
            keeps(&given().variable(name, &url));
        }
        keeps(&given().credential("database_url", &url));
        let url = toml::Value::from(url);
        for kind in ["postgres", "redis", "http", "tcp"] {
            keeps(&given().file(format!("[dependencies.x]\nkind = '{kind}'\nurl = {url}")));
        }
        keeps(&given().file(format!("[auth]\njwks_url = {url}")));
        keeps(&given().file(format!("[auth]\nsupabase_url = {url}")));
    }
}

#[test]
fn variables_keep_their_values_whatever_is_wrong_with_them() {
    for name in super::super::legacy_env::names() {
        // These are shown by design.
        if matches!(name, "ENVIRONMENT" | "API_HOST") {
            continue;
        }
        keeps(&given().variable(name, format!("{SECRET} \u{1}")));
        keeps(&given().env_file(&format!("{name}=\"{SECRET}\n{SECRET}\n")));
    }
    keeps(&given().variable("BUDGETD__CHECKS", SECRET));
    keeps(&given().variable("BUDGETD__DEPENDENCIES", SECRET));
    keeps(&given().variable(
        "BUDGETD__DEPENDENCIES__CACHE__NEEDS",
        format!("a,{SECRET}!"),
    ));
    keeps(&given().variable(
        "BUDGETD__DEPENDENCIES__SUPABASE_AUTH__HEADERS__APIKEY",
        format!("{SECRET}\n"),
    ));
}

#[test]
fn files_keep_their_values_whatever_is_wrong_with_them() {
    for line in [
        "jwt_secret = S",
        "jwt_secret = 'S",
        "jwt_secret = \"S\\q\"",
        "jwt_secret = 'S' x",
        "jwt_secret 'S'",
        "jwt_secret = ['S']",
        "jwt_secret = { a = 'S' }",
        "jwt_secret = \"\"\"S",
        "jwt_secret = [ 'S', S",
        "jwt_secret = { 'a' = 'S', 'a' = 'S' }",
        "jwt_secret = 'S'\njwt_secret = 'S'",
        "audience = 'S\n'",
        "jwt_secrets = 'S'",
        "unknown = ['S', { x = 'S' }]",
        "= 'S'",
        "jwt_secret = 1979-05-27 S",
        "S",
    ] {
        let line = line.replace('S', SECRET);
        keeps(&given().file(format!("[auth]\n{line}\n")));
        keeps(&given().file(format!("auth = {{ {line} }}")));
    }
}

/// A line that might be TOML, with the secret as a value or in it.
fn toml_line() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "api",
        "[api]",
        "listen",
        "[checks]",
        "interval",
        "[dependencies.x]",
        "[dependencies.cache]",
        "kind",
        "url",
        "policy",
        "needs",
        "headers",
        "[[api]]",
        "fall",
        "jitter",
        "[auth]",
        "jwt_secret",
        "dependencies.database.url",
        "\"a b\"",
        "[dependencies.\"ä\"]",
    ]);
    let value = prop_oneof![
        Just(format!("\"{SECRET}\"")),
        Just(format!("'redis://u:{SECRET}@h/0'")),
        Just(format!("[\"{SECRET}\", 1]")),
        Just(format!("{{ a = \"{SECRET}\" }}")),
        Just(SECRET.to_owned()),
        Just("'http'".to_owned()),
        "[-+]?[0-9]{1,25}(\\.[0-9]{1,3})?",
        "\\PC{0,12}",
    ];
    (
        key,
        prop_oneof![Just(" = "), Just(""), Just("=="), Just("\n")],
        value,
    )
        .prop_map(|(key, equals, value)| format!("{key}{equals}{value}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_file_is_loaded_or_refused(lines in prop::collection::vec(toml_line(), 0..12)) {
        keeps(&given().file(lines.concat()));
    }

    #[test]
    fn any_bytes_are_loaded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let given = given().file(&bytes).env_file(&String::from_utf8_lossy(&bytes));
        printed(&given);
    }

    #[test]
    fn any_url_is_read_or_refused(
        scheme in prop::sample::select(vec!["postgres", "redis", "rediss", "unix", "http", "https", "tcp"]),
        before in "\\PC{0,8}",
        after in "\\PC{0,12}",
    ) {
        let url = toml::Value::from(format!("{scheme}://{before}:{SECRET}{after}@h"));
        for kind in ["postgres", "redis", "http", "tcp"] {
            keeps(&given().file(format!("[dependencies.x]\nkind = '{kind}'\nurl = {url}")));
        }
    }

    #[test]
    fn any_variable_is_used_or_refused(
        index in 0_usize..20,
        value in "\\PC{0,20}",
        path in "[A-Za-z_]{0,20}",
    ) {
        let names: Vec<&str> = super::super::legacy_env::names().collect();
        let given = given()
            .variable(names[index % names.len()], &value)
            .variable(&format!("BUDGETD__{path}"), &value)
            .env_file(&value);
        printed(&given);
    }
}
