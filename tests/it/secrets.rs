//! Nothing secret is printed anywhere: distinctive words stand in every URL,
//! variable, header and file, failures of every kind are driven, and then
//! everything that was written or served is searched.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;

use jsonwebtoken::Algorithm;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::caller::{self, Caller, USER, sign_by, sign_with};
use crate::support::{
    Answer, AuthApi, Daemon, DaemonOptions, EventStream, Port, Postgres, PostgresOptions, Redis,
    RedisOptions, Talker, client, wait,
};

mod parrot;

mod search;

use parrot::{Parrot, Tongue};
use search::Search;

/// Secrets begin with this; what follows says whose they are.
const MARK: &str = "Tr0ub4dorXyzzy";

/// A secret of a name, with the characters that URLs have a meaning for.
fn secret(of: &str) -> String {
    format!("{MARK}{of}/?#@:%+=")
}

/// The same as a part of a URL.
fn encoded(of: &str) -> String {
    let encode = percent_encoding::utf8_percent_encode;
    encode(&secret(of), percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Every path of both listeners, by GET.
const PATHS: &[&str] = &[
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/health/ready?verbose",
    "/health/startup",
    "/health/cache",
    "/openapi.json",
    "/docs/",
    "/docs/swagger-initializer.js",
    "/metrics",
    "/status",
    "/nowhere",
];

fn dependency(config: &mut String, name: &str, kind: &str, url: &str) {
    use std::fmt::Write;

    let _ = write!(
        config,
        "[dependencies.{name}]\nkind = '{kind}'\nurl = '{url}'\npolicy = 'optional'\n"
    );
    if kind == "http" {
        let header = secret(&format!("{name}header"));
        let _ = writeln!(config, "headers = {{ x-api-key = 'Bearer {header}' }}");
    }
}

/// URLs of every kind that lead to `authority`, with all that can be secret.
fn urls(config: &mut String, name: &str, authority: &str) {
    let with = |scheme: &str, rest: &str| {
        let password = encoded(&format!("{name}{scheme}"));
        format!("{scheme}://somebody:{password}@{authority}{rest}")
    };
    let token = encoded(&format!("{name}token"));
    for (kind, url) in [
        ("postgres", with("postgres", "/db")),
        ("redis", with("redis", "/3")),
        ("http", with("http", &format!("/path?token={token}"))),
    ] {
        dependency(config, &format!("{name}_{kind}"), kind, &url);
    }
    for (kind, url) in [
        ("postgres", with("postgres", "/db?sslmode=verify-full")),
        ("redis", with("rediss", "/3")),
        ("http", with("https", &format!("/?token={token}"))),
    ] {
        dependency(config, &format!("{name}_{kind}_tls"), kind, &url);
    }
}

/// Waits until every dependency has been found down.
async fn all_are_down(daemon: &Daemon) {
    wait::until("everything is down", wait::PATIENCE * 2, async || {
        let status = daemon.ask("/status").await.json();
        let all = status["dependencies"].as_array().unwrap();
        let down = |entry: &serde_json::Value| entry["status"] == "error";
        all.iter().all(down).then_some(())
    })
    .await;
}

async fn everything_served(daemon: &Daemon, search: &mut Search) {
    for path in PATHS {
        for port in [daemon.api(), daemon.admin()] {
            let answer = client::get(port, path).await.unwrap();
            let headers = format!("{:?}", answer.headers);
            search.look(&format!("{path} of {port}"), &headers);
            search.look(&format!("{path} of {port}"), &answer.body);
        }
    }
    // It has no end: the first event tells everything.
    let mut stream = EventStream::open(daemon.admin()).await;
    let (_, state) = stream.next().await.unwrap();
    search.look("/status/stream", &state.to_string());
    for of in ["cmdline", "comm"] {
        let text = std::fs::read(format!("/proc/{}/{of}", daemon.pid())).unwrap();
        search.look(of, &String::from_utf8_lossy(&text));
    }
}

fn everything_printed(options: &DaemonOptions, search: &mut Search) {
    for arguments in [
        &["check"][..],
        &["check", "--quiet"],
        &["graph"],
        &["graph", "--format", "dot"],
        &["graph", "--format", "mermaid"],
        &["wait", "--timeout", "200ms"],
        &["status"],
        &["status", "--json"],
    ] {
        let output = options.command(arguments).output().unwrap();
        search.look(
            &format!("{arguments:?}"),
            &String::from_utf8_lossy(&output.stdout),
        );
        search.look(
            &format!("{arguments:?}"),
            &String::from_utf8_lossy(&output.stderr),
        );
    }
}

/// Every variable with a secret in it.
fn options(config: &str, postgres: &Postgres, redis: &Redis, auth: &Parrot) -> DaemonOptions {
    let (postgres, redis, auth) = (postgres.port(), redis.port(), auth.port());
    let url = |scheme: &str, of: &str, rest: &str| {
        format!(
            "{scheme}://{}:{}@localhost:{rest}",
            encoded(&format!("{of}user")),
            encoded(of)
        )
    };
    DaemonOptions::default()
        .config(config)
        .variable("BUDGETD__LOG__LEVEL", "trace")
        .variable(
            "DATABASE_URL",
            &format!(
                "postgres://budget:{}@localhost:{postgres}/budget",
                encoded("database")
            ),
        )
        .variable(
            "DIRECT_URL",
            &url(
                "postgres",
                "direct",
                &format!("5/budget?sslpassword={}", encoded("ssl")),
            ),
        )
        .cache(&url("redis", "cache", &format!("{redis}/0")))
        .variable("SUPABASE_URL", &format!("http://localhost:{auth}"))
        .variable("SUPABASE_JWT_SECRET", &secret("jwt"))
        .variable("SUPABASE_ANON_KEY", &secret("anon"))
        .variable(
            "BUDGETD__DEPENDENCIES__REFUSED_HTTP__HEADERS__X_SECRET",
            &secret("nested"),
        )
}

/// Reloads that fail with secrets in what is wrong, and one that does not.
async fn broken_reloads(daemon: &mut Daemon, config: &str, search: &mut Search) {
    let broken = secret("broken");
    for (round, wrong) in [
        format!("[auth]\njwt_secret = '{broken}\n"),
        format!("[auth]\njwt_secret = ['{broken}']\naudience = {{ x = '{broken}' }}\n"),
        format!("[dependencies.refused_http]\nurl = 'http://a b:{broken}@/'\nkind = '{broken}'\n"),
        format!("[checks]\ninterval = '{broken}'\nfall = '{broken}'\n{broken} = 1\n"),
    ]
    .iter()
    .enumerate()
    {
        daemon.rewrite_config(wrong);
        daemon.signal(Signal::HUP);
        daemon.nth_event("config_reload_failed", round).await;
        let options = daemon.options();
        for command in ["check", "run", "wait"] {
            // The file is as it was rewritten, unlike for other commands.
            let output = options.command_as_it_is(&[command]).output().unwrap();
            assert_eq!(output.status.code(), Some(78), "{command} with {wrong}");
            search.look(command, &String::from_utf8_lossy(&output.stdout));
            search.look(command, &String::from_utf8_lossy(&output.stderr));
        }
    }
    daemon.rewrite_config(&format!("{config}[auth]\njwt_secret = '{broken}'\n"));
    daemon.signal(Signal::HUP);
    daemon.event("config_reloaded").await;
}

#[tokio::test]
async fn failures_of_every_kind_keep_them() {
    let postgres = PostgresOptions::default().password("another").start();
    let redis = RedisOptions::default().password("another").start();
    let (postgres, redis) = tokio::join!(postgres, redis);
    let gone = Port::reserve();
    let silent = Talker::says(b"").await;
    let rude = Talker::says_and_leaves(b"").await;
    let garbage = Talker::says(b"\xff\x00HTTP/7 garbage\r\n\r\n").await;
    let mut parrots = Vec::new();
    let mut config = "[checks]\nconnect_timeout = '300ms'\ntimeout = '300ms'\nfall = 2\n\
                      interval = '200ms'\nfast_interval = '20ms'\nmax_backoff = '200ms'\n"
        .to_owned();
    urls(
        &mut config,
        "refused",
        &format!("localhost:{}", gone.number()),
    );
    urls(&mut config, "dns", "nobody.invalid:1");
    urls(
        &mut config,
        "silent",
        &format!("localhost:{}", silent.port()),
    );
    urls(&mut config, "closed", &format!("localhost:{}", rude.port()));
    urls(
        &mut config,
        "garbage",
        &format!("localhost:{}", garbage.port()),
    );
    urls(
        &mut config,
        "otherredis",
        &format!("localhost:{}", redis.port()),
    );
    urls(
        &mut config,
        "otherpostgres",
        &format!("localhost:{}", postgres.port()),
    );
    for tongue in Tongue::BROKEN {
        let parrot = Parrot::start(tongue).await;
        let name = format!("{tongue:?}").to_lowercase();
        urls(&mut config, &name, &format!("localhost:{}", parrot.port()));
        parrots.push(parrot);
    }
    let options = options(&config, &postgres, &redis, &parrots[0]);
    let mut daemon = options.serve().await;
    all_are_down(&daemon).await;

    let mut search = Search::default();
    everything_served(&daemon, &mut search).await;
    everything_printed(daemon.options(), &mut search);
    daemon.signal(Signal::USR1);
    daemon.event("status_dump").await;

    broken_reloads(&mut daemon, &config, &mut search).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit().await, 0);
    search.look("stdout", &daemon.stdout());
    search.look("stderr", &daemon.stderr());
    search.finish();

    // They were really used: the parrots heard them.
    let heard: String = parrots.iter().map(Parrot::heard).collect();
    for of in [
        "rediserrorredis",
        "postgreserrorpostgres",
        "httptoken",
        "http_httpheader",
        "anon",
    ] {
        let word = format!("{MARK}{of}");
        assert!(heard.contains(&word), "{word} was never sent");
    }
}

#[tokio::test]
async fn the_statistics_of_the_cache_keep_them() {
    let mut search = Search::default();
    for (tongue, status, told) in [
        (Tongue::RedisInfoError, "error", "error"),
        (Tongue::RedisInfo, "enabled", "redis_version"),
    ] {
        let parrot = Parrot::start(tongue).await;
        let url = format!("redis://:{}@localhost:{}", encoded("cache"), parrot.port());
        let daemon = DaemonOptions::default().cache(&url).serve().await;
        daemon.until_status("cache", "ok").await;
        let document = daemon.get("/health/cache").await.unwrap().json();
        assert_eq!(document["status"], status, "{document}");
        // It was quoted, and hidden where it stood.
        let said = document[told].as_str().unwrap();
        assert!(said.contains("***"), "{document}");
        everything_served(&daemon, &mut search).await;
        search.look("stdout", &daemon.stdout());
        search.look("stderr", &daemon.stderr());
    }
    search.finish();
}

#[tokio::test]
async fn a_start_that_fails_keeps_them() {
    let parrot = Parrot::start(Tongue::RedisError).await;
    let options = DaemonOptions::default()
        .cache(&format!(
            "redis://:{}@localhost:{}",
            encoded("redis"),
            parrot.port()
        ))
        .variable("REDIS_REQUIRED", "true")
        .variable("BUDGETD__CHECKS__STARTUP_DEADLINE", "300ms");
    let mut daemon = options.start();
    assert_eq!(daemon.exit().await, 69);
    let mut search = Search::default();
    search.look("stdout", &daemon.stdout());
    search.look("stderr", &daemon.stderr());
    search.finish();
    assert!(daemon.stderr().contains("cache"), "{}", daemon.stderr());
    assert!(parrot.heard().contains(MARK));
}

#[tokio::test]
async fn credentials_and_files_of_variables_keep_them() {
    let redis = Redis::start().await;
    let options = DaemonOptions::default().variable("REDIS_ENABLED", "true");
    let root = options.folder().to_owned();
    let write = |name: &str, text: &str| {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let folder = write("credentials/supabase_jwt_secret", &secret("jwt"));
    let folder = folder.trim_end_matches("/supabase_jwt_secret").to_owned();
    let env_file = write(
        "variables",
        &format!(
            "SUPABASE_ANON_KEY='{}'\nbroken {}\n",
            secret("anon"),
            secret("line")
        ),
    );
    let options = options.variable("CREDENTIALS_DIRECTORY", &folder);
    let mut search = Search::default();
    let print = |search: &mut Search, options: &DaemonOptions, arguments: &[&str], code: i32| {
        let output = options.command(arguments).output().unwrap();
        let (stdout, stderr) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        search.look(&format!("{arguments:?}"), &stdout);
        search.look(&format!("{arguments:?}"), &stderr);
    };
    for (url, code) in [
        (
            format!(
                "redis://{}:{}@localhost:{}/0",
                encoded("user"),
                encoded("pw"),
                redis.port()
            ),
            0,
        ),
        (format!("redis://user:{}@localhost/0", secret("pw")), 78),
        (secret("pw"), 78),
        (
            format!("redis://user:{}@localhost:99999/0", encoded("pw")),
            78,
        ),
    ] {
        write("credentials/redis_url", &url);
        for command in ["check", "graph"] {
            print(&mut search, &options, &[command], code);
        }
        print(
            &mut search,
            &options,
            &["check", "--env-file", &env_file],
            78,
        );
        print(&mut search, &options, &["run", "--env-file", &env_file], 78);
    }
    search.finish();
}

#[tokio::test]
async fn variables_that_are_refused_keep_them() {
    let word = secret("wrong");
    let mut options = DaemonOptions::default().variable("REDIS_ENABLED", "true");
    for (name, value) in [
        ("DATABASE_URL", format!("postgres://u:{word}@h:port/db")),
        ("DIRECT_URL", format!("mysql://u:{word}@h/db")),
        ("REDIS_URL", word.clone()),
        ("SUPABASE_URL", format!("https://u:{}@h", encoded("wrong"))),
        ("SUPABASE_ANON_KEY", format!("{word}\n")),
        ("REDIS_CONNECT_TIMEOUT", word.clone()),
        ("REDIS_REQUIRED", word.clone()),
        ("API_PORT", word.clone()),
        ("BUDGETD__CHECKS", word.clone()),
        ("BUDGETD__LIMITS__READS_PER_MINUTE", word.clone()),
        ("BUDGETD__DEPENDENCIES__X__URL", word.clone()),
        ("BUDGETD__DEPENDENCIES__X__KIND", word.clone()),
        ("BUDGETD__DEPENDENCIES__X__NEEDS", word.clone()),
        ("BUDGETD__API__TRUSTED_PROXIES", word.clone()),
        ("BUDGETD__LOG__LEVEL", format!("{word}=info")),
        ("BUDGETD__NOWHERE__KEY", word.clone()),
    ] {
        options = options.variable(name, &value);
    }
    let mut search = Search::default();
    for command in ["run", "check", "wait", "status", "graph"] {
        let output = options.command(&[command]).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{command}");
        search.look(command, &String::from_utf8_lossy(&output.stdout));
        search.look(command, &String::from_utf8_lossy(&output.stderr));
    }
    search.finish();
}

/// Sends what may be sent with a token, and looks at all that comes back.
async fn ask_all(caller: &Caller, codes: &mut BTreeSet<u16>, search: &mut Search) {
    let nobody = format!("/budget-versions/{}", uuid::Uuid::nil());
    let version = json!({"name": "Budget", "fiscal_year": 2026});
    let found = [
        caller.get("/budget-versions").await,
        caller.get(&format!("/budget-versions?token={MARK}")).await,
        caller.get(&nobody).await,
        caller.get("/nowhere").await,
        caller.post("/budget-versions", version.clone()).await,
        caller.post("/budget-versions", version).await,
        caller.post("/budget-versions", json!({"x": 1})).await,
        caller.step(&format!("{nobody}/approve")).await,
        caller.post_csv(&format!("{nobody}/lines"), "x\n").await,
    ];
    for answer in found {
        codes.insert(answer.code);
        search.look("headers", &format!("{:?}", answer.headers));
        search.look("a body", &answer.body);
    }
}

#[tokio::test]
async fn tokens_are_never_repeated_however_requests_end() {
    let (database, redis) = tokio::join!(Postgres::start(), Redis::start());
    let auth = AuthApi::start().await;
    auth.set(Answer::Status(500));
    let jwt_secret = secret("jwt");
    let daemon = DaemonOptions::default()
        .brisk()
        .variable("BUDGETD__LOG__LEVEL", "trace")
        .variable("BUDGETD__LIMITS__WRITES_PER_MINUTE", "40")
        .variable("SUPABASE_JWT_SECRET", &jwt_secret)
        .variable("SUPABASE_URL", &auth.url())
        .variable("BUDGETD__CHECKS__TIMEOUT", "500ms")
        .variable("BUDGETD__DATABASE__STATEMENT_TIMEOUT", "500ms")
        .variable("BUDGETD__DATABASE__POOL_TIMEOUT", "500ms")
        .database(&database.url())
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    // Whatever part of a token is repeated, the mark is in it.
    let claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = caller::claims(USER, "planner");
        claims["email"] = secret("email").into();
        change(&mut claims);
        claims
    };
    let usual = claims(&|_| ());
    let good = sign_with(&jwt_secret, &usual);
    let sent = |value: &str| Caller::anonymous(&daemon).with("authorization", value);
    let token = |token: &str| Caller::with_token(&daemon, token);
    let changed = |change: &dyn Fn(&mut Value)| token(&sign_with(&jwt_secret, &claims(change)));
    let callers = [
        token(&good),
        token(&good).with("authorization", &format!("Bearer {good}")),
        token(&sign_with("of somebody else", &usual)),
        token(&sign_by(Algorithm::ES256, MARK, &usual)),
        changed(&|claims| claims["app_metadata"]["role"] = "viewer".into()),
        changed(&|claims| claims["exp"] = 1.into()),
        changed(&|claims| claims["aud"] = secret("audience").into()),
        changed(&|claims| claims["iss"] = secret("issuer").into()),
        changed(&|claims| claims["sub"] = Value::Null),
        changed(&|claims| claims["sub"] = "nobody".into()),
        sent(&format!("Bearer {MARK}")),
        sent(&format!("Bearer {MARK} {MARK}")),
        sent(&format!("Basic {MARK}")),
        sent(&good),
        sent(&format!("Bearer {}", MARK.repeat(1_000))),
    ];
    let (mut codes, mut search) = (BTreeSet::new(), Search::default());
    for caller in &callers {
        ask_all(caller, &mut codes, &mut search).await;
    }
    redis.freeze();
    ask_all(&callers[0], &mut codes, &mut search).await;
    database.freeze();
    ask_all(&callers[0], &mut codes, &mut search).await;
    let expected = [200, 201, 401, 403, 404, 409, 422, 429, 503];
    assert_eq!(codes, BTreeSet::from(expected));
    everything_served(&daemon, &mut search).await;
    search.look("stdout", &daemon.stdout());
    search.look("stderr", &daemon.stderr());
    redis.thaw();
    let kept = redis.command(&["KEYS", "*"]).await;
    search.look("the names in Redis", &kept);
    search.finish();
    assert!(kept.contains("budgetd:limit"), "{kept}");
}
