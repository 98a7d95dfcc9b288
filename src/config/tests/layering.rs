use std::time::Duration;

use super::*;
use crate::dependency::Policy;

#[test]
fn nothing_said_is_what_is_built_in() {
    assert_eq!(given().config(), Config::builtin());
}

#[test]
fn each_layer_wins_over_the_one_below() {
    let interval = |given: &Given| given.config().dependencies[0].checks.interval.as_secs();
    let mut all = given();
    let default = all.write("default.toml", "checks.interval = '11s'");
    all.sources.default_file = Some(default);
    assert_eq!(interval(&all), 11);
    all = all.file("checks.interval = '12s'");
    assert_eq!(interval(&all), 12);
    all = all.file("checks.interval = '13s'");
    assert_eq!(interval(&all), 13);
    all = all.env_file("BUDGETD__CHECKS__INTERVAL=14s");
    assert_eq!(interval(&all), 14);
    all = all.env_file("budgetd__checks__interval='15s'");
    assert_eq!(interval(&all), 15);
    all = all.variable("BUDGETD__checks__INTERVAL", "16s");
    assert_eq!(interval(&all), 16);
}

#[test]
fn the_default_file_may_be_missing_and_no_other() {
    let mut all = given();
    all.sources.default_file = Some(all.folder.path().join("absent.toml"));
    assert_eq!(all.config(), Config::builtin());

    all.sources.files = vec![all.folder.path().join("absent.toml")];
    all.sources.env_files = vec![all.folder.path().join("absent.env")];
    assert_eq!(
        all.problems(),
        "cannot use absent.toml: there is no such file\n\
         cannot use absent.env: there is no such file"
    );
}

#[test]
fn precedence_goes_by_layer_first() {
    let all = given()
        .env_file("BUDGETD__DEPENDENCIES__DATABASE__URL=postgres://from-env-file/a")
        .variable("DATABASE_URL", "postgres://from-environment/b");
    assert_eq!(
        shown(&all.config(), "database"),
        "postgres://from-environment:5432/b"
    );
}

#[test]
fn within_a_layer_the_new_variable_wins() {
    let all = given()
        .variable("BUDGETD__DEPENDENCIES__DATABASE__URL", "postgres://new/a")
        .variable("DATABASE_URL", "postgres://old/b");
    assert_eq!(shown(&all.config(), "database"), "postgres://new:5432/a");
}

#[test]
fn credentials_win_over_everything() {
    let loaded = given()
        .variable(
            "BUDGETD__DEPENDENCIES__DATABASE__URL",
            "postgres://variable/a",
        )
        .variable("SUPABASE_JWT_SECRET", "variable")
        .credential("database_url", "postgres://credential/a\n")
        .credential("redis_url", "redis://credential/3\n")
        .credential("supabase_jwt_secret", "credential\n")
        .loaded();
    let config = &loaded.config;
    assert_eq!(shown(config, "database"), "postgres://credential:5432/a");
    assert_eq!(shown(config, "cache"), "redis://credential:6379/3");
    assert_eq!(config.auth.jwt_secret, Secret::from("credential"));
    assert!(matches!(
        loaded.origins["auth.jwt_secret"],
        Provenance::Credential { .. }
    ));
}

#[test]
fn a_table_changes_only_the_keys_it_sets() {
    let config = given()
        .file(
            "[checks]\nfall = 7\n\
             [dependencies.cache]\npolicy = 'startup'\nrise = 4\n\
             [dependencies.supabase_auth]\naccept = [204]\nurl = 'https://auth.example/health'\n",
        )
        .config();
    let cache = config.dependency("cache").unwrap();
    assert_eq!(cache.policy, Policy::Startup);
    assert_eq!((cache.checks.rise, cache.checks.fall), (4, 7));
    assert_eq!(shown(&config, "cache"), "redis://localhost:6379/0");
    let Some(Target::Http(auth)) = &config.dependency("supabase_auth").unwrap().target else {
        panic!("it has an address");
    };
    assert_eq!(auth.accept, [204]);
}

#[test]
fn operators_add_dependencies_in_files_and_by_variables() {
    let config = given()
        .file(
            "[dependencies.search]\nkind = 'http'\nurl = 'http://search:9200/?pretty'\n\
             policy = 'optional'\nneeds = ['database', 'mail']\n\
             headers = { Authorization = 'Bearer abc' }\nstartup_deadline = 'never'\n",
        )
        .variable("BUDGETD__DEPENDENCIES__MAIL__KIND", "tcp")
        .variable("BUDGETD__DEPENDENCIES__MAIL__URL", "tcp://mail:25")
        .variable("BUDGETD__DEPENDENCIES__MAIL__NEEDS", "database, cache")
        .variable("BUDGETD__DEPENDENCIES__MAIL__JITTER", "0.5")
        .config();
    let names: Vec<&str> = config
        .dependencies
        .iter()
        .map(|d| d.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["database", "cache", "supabase_auth", "mail", "search"]
    );
    let mail = config.dependency("mail").unwrap();
    assert_eq!(mail.policy, Policy::Required);
    assert_eq!(mail.needs.len(), 2);
    assert!((mail.checks.jitter - 0.5).abs() < f64::EPSILON);
    let search = config.dependency("search").unwrap();
    assert_eq!(search.checks.startup_deadline, None);
    let Some(Target::Http(target)) = &search.target else {
        panic!("it is an HTTP dependency");
    };
    assert_eq!(target.path_and_query, "/?pretty");
    assert_eq!(target.accept, [200]);
    assert_eq!(
        target.headers,
        [("authorization".to_owned(), Secret::from("Bearer abc"))]
    );
}

#[test]
fn a_variable_reaches_keys_that_its_name_cannot_spell() {
    let config = given()
        .file(
            "[dependencies.Mail-Queue]\nkind = 'tcp'\nurl = 'tcp://a:1'\n\
             [dependencies.mail_queue]\nkind = 'tcp'\nurl = 'tcp://a:1'\n",
        )
        .variable("BUDGETD__DEPENDENCIES__MAIL_QUEUE__FALL", "7")
        .config();
    let fall = |name: &str| config.dependency(name).unwrap().checks.fall;
    assert_eq!(
        (fall("mail_queue"), fall("Mail-Queue")),
        (7, 3),
        "the exact one"
    );

    let config = given()
        .file(
            "[dependencies.Mail-Queue]\nkind = 'http'\nurl = 'http://a/'\n\
             headers = { X-Api-Key = 'from the file' }\n",
        )
        .variable("BUDGETD__DEPENDENCIES__MAIL_QUEUE__FALL", "7")
        .variable("BUDGETD__DEPENDENCIES__MAIL_QUEUE__HEADERS__X_API_KEY", "k")
        .config();
    let dependency = config.dependency("Mail-Queue").unwrap();
    assert_eq!(dependency.checks.fall, 7);
    let Some(Target::Http(target)) = &dependency.target else {
        panic!("it is an HTTP dependency");
    };
    assert_eq!(
        target.headers,
        [("x-api-key".to_owned(), Secret::from("k"))]
    );
}

#[test]
fn a_postgres_must_be_a_primary_unless_any_will_do() {
    let access = |file: &str| match &given().file(file).config().dependencies[0].target {
        Some(Target::Postgres(target)) => target.access,
        other => panic!("{other:?}"),
    };
    assert_eq!(access(""), ServerAccess::Primary);
    assert_eq!(
        access("dependencies.database.access = 'any'"),
        ServerAccess::Any
    );
}

#[test]
fn values_keep_their_units() {
    let config = given()
        .file(
            "[api]\nlisten = '[::1]:9000'\nmax_body = '512KiB'\nimport_max_body = 1000\n\
             trusted_proxies = ['10.0.0.0/8', '::1']\n\
             allowed_origins = ['https://*.Example.app', 'https://a.example:443/', '*']\n\
             [admin]\nlisten = 'unix:/run/budgetd/admin.sock'\n\
             [lifecycle]\ndrain_delay = '0s'\non_required_loss = 'exit'\n\
             [log]\nlevel = 'info, budgetd::supervisor=debug'\n\
             [cache]\nttl = '1h 30m'\n",
        )
        .config();
    assert_eq!(config.api.listen.to_string(), "[::1]:9000");
    assert_eq!(config.api.max_body, 512 * 1024);
    assert_eq!(config.api.import_max_body, 1000);
    assert_eq!(config.api.trusted_proxies.len(), 2);
    assert_eq!(
        config.api.allowed_origins,
        [
            Origin::Subdomain {
                scheme: "https://".to_owned(),
                suffix: ".example.app".to_owned()
            },
            Origin::Exact("https://a.example".to_owned()),
            Origin::Any
        ]
    );
    assert_eq!(
        config.admin.listen,
        AdminListen::Unix("/run/budgetd/admin.sock".into())
    );
    assert_eq!(config.lifecycle.drain_delay, Duration::ZERO);
    assert_eq!(config.log.level, "info,budgetd::supervisor=debug");
    assert_eq!(config.cache.ttl, Duration::from_mins(90));
}

#[test]
fn a_thousand_dependencies_are_read() {
    let table = |n| {
        format!(
            "[dependencies.d{n}]\nkind = 'tcp'\nurl = 'tcp://host:{}'\n",
            n + 1
        )
    };
    let config = given()
        .file((0..1000).map(table).collect::<String>())
        .variable("BUDGETD__DEPENDENCIES__D7__FALL", "9")
        .config();
    assert_eq!(config.dependencies.len(), 1003);
    assert_eq!(config.dependency("d7").unwrap().checks.fall, 9);
    assert_eq!(shown(&config, "d999"), "tcp://host:1000");
}

#[test]
fn what_is_said_of_tokens_wins_over_what_follows_from_the_project() {
    let project = given().variable("SUPABASE_URL", "https://project.example.co/");
    let derived = project.config().auth;
    assert_eq!(derived.issuer, "https://project.example.co/auth/v1");
    assert!(!derived.issuer_required);
    let said = project
        .file(
            "[auth]\n\
             jwks_url = 'http://keys.example/set'\n\
             issuer = 'https://auth.example'\n\
             organization_claim = 'org.ids'\n",
        )
        .config()
        .auth;
    let key_set = said.key_set.unwrap().to_string();
    assert_eq!(key_set, "http://keys.example:80/set");
    assert_eq!(said.issuer, "https://auth.example");
    assert!(said.issuer_required);
    assert_eq!(said.organization_claim, ["org", "ids"]);
    assert_eq!(said.supabase_url, "https://project.example.co");
}
