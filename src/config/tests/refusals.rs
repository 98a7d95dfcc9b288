use std::os::unix::ffi::OsStringExt;

use super::*;

#[test]
fn every_problem_is_told_with_its_place_and_what_is_allowed() {
    let all = given()
        .file(
            "[api]\n\
             lisen = '127.0.0.1:1'\n\
             max_connections = 0\n\
             title = 5\n\
             [checks]\n\
             interval = 5\n\
             fall = -1\n\
             jitter = 1.5\n\
             [nonsense]\n\
             a = 1\n",
        )
        .env_file("BUDGETD__LOG__LEVEL=loud")
        .variable("BUDGETD__LIMITS__READS_PER_MINUTE", "many")
        .variable("DATABASE_REQUIRED", "perhaps");
    assert_eq!(
        all.problems(),
        "cannot use the variable DATABASE_REQUIRED: `true` or `false` is expected\n\
         cannot use api.title from 0.toml, line 4: text is expected, in quotes\n\
         cannot use api.max_connections from 0.toml, line 3: a whole number from 1 to 1000000 is expected\n\
         cannot use api.lisen from 0.toml, line 2: unknown key; did you mean `listen`?\n\
         cannot use log.level from the variable BUDGETD__LOG__LEVEL in 0.env: a level (\"trace\", \"debug\", \"info\", \"warn\", \"error\", \"off\") is expected, and after it, separated by commas, levels of single targets, such as \"info,budgetd::supervisor=debug\"\n\
         cannot use limits.reads_per_minute from the variable BUDGETD__LIMITS__READS_PER_MINUTE: a whole number from 1 to 1000000 is expected\n\
         cannot use checks.interval from 0.toml, line 6: a duration from 10ms to 1day is expected, written as \"250ms\", \"5s\" or \"2m\"\n\
         cannot use checks.jitter from 0.toml, line 8: a number from 0 to 1 is expected\n\
         cannot use checks.fall from 0.toml, line 7: a whole number from 1 to 1000 is expected\n\
         cannot use nonsense from 0.toml, line 9: unknown key; known are environment, api, admin, log, lifecycle, auth, database, cache, limits, checks, dependencies"
    );
}

#[track_caller]
fn refused(toml: &str, part: &str) {
    let problems = given().file(toml).problems();
    assert_eq!(problems.lines().count(), 1, "{problems}");
    assert!(problems.contains(part), "{problems}");
}

#[test]
fn each_kind_of_value_has_its_bounds() {
    for duration in [
        "'0s'",
        "'-1s'",
        "'9999999999999999999s'",
        "'2days'",
        "''",
        "1.5",
        "true",
    ] {
        refused(
            &format!("checks.interval = {duration}"),
            "from 10ms to 1day",
        );
    }
    refused("checks.startup_deadline = 'later'", "or \"never\"");
    refused("checks.rise = 0", "from 1 to");
    refused("checks.rise = 99999999999999999999", "from 1 to");
    refused("checks.jitter = nan", "from 0 to 1");
    refused("cache.retries = -1", "from 0 to 100");
    refused("api.max_body = '1 parsec'", "a size from 1 B to 1.0 GiB");
    refused("api.max_body = '2GiB'", "a size");
    for listen in [
        "8000",
        ":8000",
        "::1:8000",
        "host:",
        "host:65536",
        "host:+1",
        "[::1]",
        "ho st:1",
    ] {
        refused(&format!("api.listen = '{listen}'"), "host and port");
    }
    refused("admin.listen = 'unix:admin.sock'", "absolute path");
    refused(
        &format!("admin.listen = 'unix:/{}'", "a".repeat(200)),
        "107",
    );
    for level in ["", "loud", "info,,warn", "budgetd=loud"] {
        refused(&format!("log.level = '{level}'"), "a level");
    }
    for origin in [
        "app.example",
        "https://",
        "https://a.example/path",
        "https://a*b",
        "https://*",
        "null",
    ] {
        refused(
            &format!("api.allowed_origins = ['*', '{origin}']"),
            "entry 2: an origin",
        );
    }
    refused("api.trusted_proxies = ['10.0.0.0/33']", "a network");
    refused("api.trusted_proxies = '10.0.0.0/8'", "a list");
    for claim in ["user_metadata", "user_metadata.org", " user_metadata.org "] {
        refused(
            &format!("auth.organization_claim = '{claim}'"),
            "users cannot edit",
        );
    }
    for claim in [".", "a..b", "a.", "a b"] {
        refused(
            &format!("auth.organization_claim = '{claim}'"),
            "the name of a claim",
        );
    }
    refused("auth.jwks_url = 'https://user:pw@host/'", "without user");
    refused("auth.supabase_url = 'ftp://host'", "http or https");
    refused("api = 5", "a table is expected");
    refused("dependencies.cache = 'redis'", "a table is expected");
    refused("environment = \"a\\nb\"", "one line");
}

#[test]
fn dependencies_are_refused_with_reason() {
    refused(
        "dependencies.cache.kind = 'postgres'",
        "keeps its kind, redis",
    );
    refused("dependencies.cache.access = 'any'", "kind postgres only");
    refused("dependencies.database.headers = {}", "kind http only");
    refused("dependencies.cache.policy = 'mandatory'", "\"startup\"");
    refused(
        "dependencies.cache.needs = ['no way']",
        "entry 1: a dependency's name",
    );
    refused(
        "dependencies.\"no way\".kind = 'tcp'",
        "dependencies.\"no way\" from",
    );
    refused(
        "[dependencies.x]\nurl = 'tcp://a:1'",
        "dependencies.x.kind from 0.toml, line 2: it is missing; one of postgres, redis, http, tcp",
    );
    refused(
        "[dependencies.x]\nkind = 'smtp'\nurl = 'a'",
        "one of \"postgres\"",
    );
    refused("[dependencies.x]\nkind = 'tcp'", "policy is required");
    refused(
        "[dependencies.x]\nkind = 'tcp'\npolicy = 'startup'",
        "policy is startup",
    );
    refused(
        "[dependencies.supabase_auth]\npolicy = 'required'",
        "policy is required",
    );
    refused("[dependencies.supabase_auth]\naccept = [99]", "entry 1");
    refused(
        "[dependencies.supabase_auth]\nheaders = {'a b' = 'c'}",
        "the name of a header",
    );
    refused(
        "[dependencies.supabase_auth]\nheaders = {a = \"b\\nc\"}",
        "the value of a header",
    );
}

#[test]
fn an_empty_table_is_a_dependency_without_a_kind() {
    refused("[dependencies.x]", "dependencies.x.kind from 0.toml");
}

#[test]
fn broken_files_do_not_hide_other_problems_or_invent_any() {
    let all = given()
        .file("[dependencies.mail]\nkind = 'tcp\nurl = 'tcp://mail:25'\n\nx = = 1\n")
        .variable("BUDGETD__DEPENDENCIES__MAIL__POLICY", "optional")
        .variable("REDIS_MAX_RETRIES", "x");
    let problems = all.problems();
    let lines: Vec<&str> = problems.lines().collect();
    assert!(
        lines[0].starts_with("cannot use 0.toml, line 2: it is not TOML: "),
        "{problems}"
    );
    assert!(problems.contains("REDIS_MAX_RETRIES"), "{problems}");
    assert!(!problems.contains("kind"), "{problems}");
}

#[test]
fn unreadable_sources_are_problems() {
    let folder = given();
    let path = folder.folder.path().to_owned();
    let mut all = given()
        .file([0xff, 0xfe])
        .env_file("A B\nREDIS_MAX_RETRIES=2");
    all.sources.default_file = Some(path.clone());
    all.sources.env_files.push(path);
    let problems = all.problems();
    assert_eq!(problems.lines().count(), 4, "{problems}");
    assert!(
        problems.contains("0.toml: it is not UTF-8 text"),
        "{problems}"
    );
    assert!(
        problems.contains("0.env, line 1: NAME=value is expected"),
        "{problems}"
    );
    assert_eq!(
        problems.matches("it cannot be read: ").count(),
        2,
        "{problems}"
    );
}

#[test]
fn variables_that_are_not_utf_8_matter_only_when_they_are_ours() {
    let bytes = || OsString::from_vec(vec![0x66, 0xff]);
    let all = given().variable("PATH", bytes());
    assert_eq!(all.config(), Config::builtin());
    let all = all
        .variable("DATABASE_URL", bytes())
        .variable("BUDGETD__LOG__LEVEL", bytes());
    let problems = all.problems();
    assert_eq!(
        problems.matches("must be UTF-8 text").count(),
        2,
        "{problems}"
    );
}

#[test]
fn malformed_names_of_variables_are_problems() {
    let all = given()
        .variable("BUDGETD__", "1")
        .variable("BUDGETD__CHECKS____FALL", "1")
        .variable("BUDGETD__CHECKS__FALL", "1")
        .variable("BUDGETD__checks__fall", "2")
        .variable("BUDGETD__CHEKS__FALL", "2");
    let problems = all.problems();
    assert_eq!(problems.lines().count(), 4, "{problems}");
    assert_eq!(problems.matches("two underscores").count(), 2, "{problems}");
    assert!(
        problems.contains("BUDGETD__CHECKS__FALL sets the same key"),
        "{problems}"
    );
    assert!(problems.contains("did you mean `checks`?"), "{problems}");
}
