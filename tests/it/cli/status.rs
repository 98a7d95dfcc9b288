use std::io::{Read, pipe};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{finish, run};
use crate::support::{DaemonOptions, Port, Redis, wait};

#[tokio::test]
async fn a_table_for_people_and_json_for_scripts() {
    let redis = Redis::start().await;
    let gone = Port::reserve();
    let daemon = DaemonOptions::default()
        .cache(&redis.url())
        .config(&format!(
            "[dependencies.queue]\nkind = 'tcp'\nurl = 'tcp://localhost:{}'\npolicy = 'optional'",
            gone.number()
        ))
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    daemon.until_status("queue", "error").await;

    let table = run(daemon.options(), &["status"]).await;
    table.exits(0);
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(
        lines[0].starts_with(concat!(" budgetd ", env!("CARGO_PKG_VERSION"))),
        "{table:#?}"
    );
    assert!(
        lines[0].contains(" degraded ") && lines[0].contains(" serving "),
        "{table:#?}"
    );
    let columns: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(
        columns,
        [
            "NAME", "STATUS", "POLICY", "KIND", "LATENCY", "SINCE", "DETAIL"
        ]
    );
    let row = |name: &str| {
        let found = lines
            .iter()
            .find(|line| line.trim_start().starts_with(name));
        *found.unwrap_or_else(|| panic!("{name} not in {table:#?}"))
    };
    assert!(row("cache").contains(" ok ") && row("cache").contains(" ms "));
    assert!(row("queue").contains(" error "));
    assert!(row("queue").ends_with(
        "connection refused: nothing listens there: start the server or correct the URL"
    ));
    assert!(row("supabase_auth").contains(" not_configured "));
    assert!(!table.stdout.contains('\u{1b}'), "no colour in a pipe");

    let json = run(daemon.options(), &["status", "--json"]).await;
    json.exits(0);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["status"], "degraded");
    assert_eq!(document["pid"], daemon.pid());
    assert_eq!(document["dependencies"].as_array().unwrap().len(), 4);
    assert_eq!(json.stdout.lines().count(), 1);
}

/// The command on a terminal of its own, which does not know how wide it is.
fn on_a_terminal(command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let line = format!("stty cols 0; exec {}", words.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    terminal.env_clear().stdin(Stdio::null());
    let variables = command.get_envs();
    terminal.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    terminal
}

#[tokio::test]
async fn a_terminal_gets_colour_and_whole_lines_even_without_a_width() {
    let daemon = DaemonOptions::default().serve().await;
    let command = daemon.options().command(&["status"]);
    let table = finish(on_a_terminal(&command)).await;
    table.exits(0);
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].contains("\u{1b}[38;5;10m ok \u{1b}"), "{table:#?}");
    assert!(lines[3].starts_with(" database "), "{table:#?}");
    assert!(lines[3].contains(" not_configured "), "{table:#?}");
}

#[tokio::test]
async fn not_ready_is_1_and_nobody_there_is_69() {
    let gone = Port::reserve();
    let options =
        DaemonOptions::default().database(&format!("postgres://localhost:{}/x", gone.number()));
    run(&options, &["status"])
        .await
        .exits(69)
        .says("cannot ask the daemon at 127.0.0.1:")
        .says("is it running?");
    let mut daemon = options.start();
    daemon.open().await;
    run(daemon.options(), &["status"])
        .await
        .exits(1)
        .prints(" starting ");
    run(daemon.options(), &["status", "--json"]).await.exits(1);
}

#[tokio::test]
async fn another_program_on_the_port_is_told() {
    let auth = crate::support::AuthApi::start().await;
    let options = DaemonOptions::default().variable(
        "BUDGETD__ADMIN__LISTEN",
        &format!("127.0.0.1:{}", auth.port()),
    );
    run(&options, &["status"])
        .await
        .exits(69)
        .says("cannot ask the daemon at");

    let options = DaemonOptions::default().variable("BUDGETD__ADMIN__LISTEN", "");
    run(&options, &["status"])
        .await
        .exits(69)
        .says("the configuration has none (admin.listen is empty)");
}

#[tokio::test]
async fn over_a_unix_socket() {
    let options = DaemonOptions::default();
    let socket = options.folder().join("admin.sock");
    let options = options.variable(
        "BUDGETD__ADMIN__LISTEN",
        &format!("unix:{}", socket.display()),
    );
    run(&options, &["status"]).await.exits(69).says(&format!(
        "cannot ask the daemon at unix:{}",
        socket.display()
    ));
    let mut daemon = options.serve().await;
    run(daemon.options(), &["status"])
        .await
        .exits(0)
        .prints(" ok ");
    daemon.signal(Signal::INT);
    assert_eq!(daemon.exit().await, 0);
    assert!(!socket.exists());
}

fn watch(options: &DaemonOptions, stdout: impl Into<Stdio>) -> Child {
    let program = options.command(&["status", "--watch", "--json"]);
    // A shell lets what it runs in the background ignore SIGINT.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(program.get_program())
        .args(program.get_args())
        .env_clear()
        .envs(options.environment())
        .stdout(stdout);
    command.spawn().unwrap()
}

#[tokio::test]
async fn watching_ends_on_sigint_and_when_nobody_reads() {
    let daemon = DaemonOptions::default().serve().await;
    let lines = daemon.options().folder().join("watched");
    let mut child = watch(daemon.options(), std::fs::File::create(&lines).unwrap());
    wait::until("it has printed twice", wait::PATIENCE, async || {
        let text = std::fs::read_to_string(&lines).unwrap();
        (text.lines().count() >= 2).then_some(())
    })
    .await;
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    let ended = wait::until("it ends", wait::PATIENCE, async || {
        child.try_wait().unwrap()
    })
    .await;
    assert_eq!(ended.signal(), Some(2));

    let (mut reader, writer) = pipe().unwrap();
    let mut child = watch(daemon.options(), writer);
    reader.read_exact(&mut [0; 8]).unwrap();
    drop(reader);
    let ended = wait::until("it ends", wait::PATIENCE, async || {
        child.try_wait().unwrap()
    })
    .await;
    assert_eq!(ended.code(), Some(0));
}
