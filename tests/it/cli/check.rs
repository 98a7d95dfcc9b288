use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{finish, run};
use crate::support::DaemonOptions;

#[tokio::test]
async fn a_good_configuration_is_printed_resolved_with_its_start_order() {
    let options = DaemonOptions::default()
        .database("postgres://budget:sesame@db.example:5433/budget")
        .config(
            r#"
            [dependencies.queue]
            kind = "tcp"
            url = "tcp://queue.example:5672"
            policy = "optional"
            needs = ["database"]
            "#,
        );
    let printed = run(&options, &["check"]).await;
    printed
        .exits(0)
        .prints("url = \"postgres://db.example:5433/budget\"  # from the variable DATABASE_URL")
        .prints("# start order: database, queue\n");
    assert_eq!(printed.stderr, "");
    let parsed: Result<toml::Table, _> = printed.stdout.parse();
    assert!(parsed.is_ok(), "what is printed is TOML: {parsed:?}");

    run(&options, &["check", "--quiet"])
        .await
        .exits(0)
        .is_silent();
}

#[tokio::test]
async fn every_problem_is_told_at_once_with_its_origin() {
    let options = DaemonOptions::default()
        .variable("REDIS_REQUIRED", "perhaps")
        .variable("BUDGETD__CHECKS__TIMEOUT", "-1s")
        .config(
            r#"
            [api]
            lisen = "127.0.0.1:1"
            max_connections = "many"
            [checks]
            interval = "99999999999999999999s"
            [dependencies.a]
            kind = "tcp"
            url = "tcp://a.example:1"
            needs = ["b"]
            [dependencies.b]
            kind = "tcp"
            url = "tcp://b.example:1"
            needs = ["a"]
            "#,
        );
    let file = options.config_file().display().to_string();
    for arguments in [
        &["check"][..],
        &["check", "-q"],
        &["wait"],
        &["status"],
        &["graph"],
    ] {
        let printed = run(&options, arguments).await;
        printed
            .exits(78)
            .says("the configuration is invalid, 6 problems:\n")
            .says(&format!(
                "cannot use api.lisen from {file}, line 3: unknown key; did you mean `listen`?"
            ))
            .says(&format!(
                "cannot use api.max_connections from {file}, line 4: "
            ))
            .says(&format!("cannot use checks.interval from {file}, line 6: "))
            .says("cannot use checks.timeout from the variable BUDGETD__CHECKS__TIMEOUT: ")
            .says("cannot use the variable REDIS_REQUIRED: `true` or `false` is expected")
            .says("a -> b -> a");
        assert_eq!(printed.stdout, "");
    }
}

#[tokio::test]
async fn an_illegal_graph_is_refused() {
    for (needs, words) in [
        ("nobody", "there is no dependency named nobody"),
        ("queue", "a dependency cannot need itself"),
        ("cache", "queue is required and cannot need cache"),
    ] {
        let options = DaemonOptions::default().config(&format!(
            "[dependencies.queue]\nkind = \"tcp\"\nurl = \"tcp://q.example:1\"\n\
             policy = \"required\"\nneeds = [{needs:?}]\n"
        ));
        let file = options.config_file().display().to_string();
        run(&options, &["check"])
            .await
            .exits(78)
            .says(words)
            .says(&file);
    }
}

#[tokio::test]
async fn broken_files_are_told_by_line_and_missing_ones_by_name() {
    let options = DaemonOptions::default().config("[api]\ntitle =\n[log]\nlevel = 'x\n");
    let file = options.config_file().display().to_string();
    run(
        &options,
        &[
            "check",
            "--config",
            "/nowhere.toml",
            "--env-file",
            "/nowhere.env",
        ],
    )
    .await
    .exits(78)
    .says("cannot use /nowhere.toml: there is no such file")
    .says("cannot use /nowhere.env: there is no such file")
    .says(&format!("cannot use {file}, line 2: it is not TOML"))
    .says(&format!("cannot use {file}, line 4: it is not TOML"));
}

#[tokio::test]
async fn later_files_win_and_the_environment_wins_over_all() {
    let options = DaemonOptions::default().variable("BUDGETD__API__TITLE", "from the environment");
    let write = |name: &str, text: &str| {
        let path = options.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let first = write(
        "first.toml",
        "[cache]\nttl = '1m'\nretries = 5\n[api]\ntitle = 'a file'\n",
    );
    let second = write("second.toml", "[cache]\nttl = '2m'\n");
    let env_file = write(
        "variables",
        "# a comment\nexport REDIS_MAX_RETRIES='7'\nBUDGETD__API__TITLE=from the env-file\n\
         BUDGETD__LIMITS__READS_PER_MINUTE=9 # another\n",
    );
    let arguments = [
        "check",
        "--config",
        &first,
        "--config",
        &second,
        "--env-file",
        &env_file,
    ];
    run(&options, &arguments)
        .await
        .exits(0)
        .prints(&format!("ttl = \"2m\"  # from {second}, line 2"))
        .prints(&format!("retries = 7  # from the variable REDIS_MAX_RETRIES in {env_file}"))
        .prints(&format!(
            "reads_per_minute = 9  # from the variable BUDGETD__LIMITS__READS_PER_MINUTE in {env_file}"
        ))
        .prints("title = \"from the environment\"  # from the variable BUDGETD__API__TITLE");
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_told_and_a_foreign_one_is_nobodys_business() {
    let options = DaemonOptions::default();
    let mut command = options.command(&["check", "-q"]);
    command.env("SOMEBODY_ELSES", OsStr::from_bytes(b"\xff"));
    finish(command).await.exits(0).is_silent();

    let mut command = options.command(&["check"]);
    command.env("REDIS_URL", OsStr::from_bytes(b"redis://:se\xffsame@h/0"));
    command.env(OsStr::from_bytes(b"BUDGETD__API__\xff"), "x");
    let printed = finish(command).await;
    printed
        .exits(78)
        .says("2 problems")
        .says("cannot use the variable REDIS_URL: name and value must be UTF-8 text")
        .says("cannot use the variable BUDGETD__API__\u{fffd}: name and value must be UTF-8 text");
    assert!(!printed.stderr.contains("same"), "{printed:#?}");
}

#[tokio::test]
async fn what_is_accepted_otherwise_than_written_is_a_warning() {
    let options = DaemonOptions::default().database("postgres://h/db?pgbouncer=true&schema=public");
    run(&options, &["check", "--quiet"])
        .await
        .exits(0)
        .says("budgetd: warning: ")
        .says("pgbouncer");
}
