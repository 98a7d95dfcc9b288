use std::net::TcpListener;

use super::run;
use crate::support::{DaemonOptions, assert_catalogued};

/// The one line that a log pipeline sees.
fn only_line(stdout: &str) -> serde_json::Value {
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 1, "{stdout}");
    assert_catalogued(stdout);
    serde_json::from_str(lines[0]).unwrap()
}

#[tokio::test]
async fn a_broken_configuration_is_one_line_for_the_log_and_a_list_for_people() {
    let options = DaemonOptions::default()
        .variable("REDIS_ENABLED", "true")
        .variable("REDIS_URL", "")
        .config("[api]\nnonsense = 1\n");
    for arguments in [&["run"][..], &[]] {
        let printed = run(&options, arguments).await;
        printed
            .exits(78)
            .says("2 problems:")
            .says("cannot use the variable REDIS_ENABLED: ")
            .says("set REDIS_URL, or set REDIS_ENABLED=false")
            .says("cannot use api.nonsense from ");
        let line = only_line(&printed.stdout);
        assert_eq!(line["event"], "config_invalid");
        assert_eq!(line["level"], "error");
        let problems = line["problems"].as_str().unwrap();
        assert!(problems.contains("REDIS_ENABLED") && problems.contains("api.nonsense"));
    }
}

#[tokio::test]
async fn a_port_in_use_is_71_and_says_what_to_do() {
    for (key, variable) in [
        ("api.listen", "BUDGETD__API__LISTEN"),
        ("admin.listen", "BUDGETD__ADMIN__LISTEN"),
    ] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let options = DaemonOptions::default().variable(variable, &address);
        let printed = run(&options, &["run"]).await;
        printed
            .exits(71)
            .says(&format!("{address}: another process listens there"))
            .says("`ss -ltnp 'sport = :")
            .says(&format!("change `{key}`"));
        let line = only_line(&printed.stdout);
        assert_eq!(line["event"], "application_failed");
        assert!(line["error"].as_str().unwrap().contains(&address));
    }
}

#[tokio::test]
async fn addresses_that_cannot_be_had_are_71() {
    for (variable, value, words) in [
        (
            "BUDGETD__API__LISTEN",
            "192.0.2.1:80",
            "no interface of this machine has that address",
        ),
        (
            "BUDGETD__ADMIN__LISTEN",
            "unix:/nowhere/admin.sock",
            "/nowhere does not exist; create it",
        ),
        (
            "BUDGETD__ADMIN__LISTEN",
            "unix:/proc/admin.sock",
            "cannot listen on unix:/proc/admin.sock",
        ),
        (
            "BUDGETD__ADMIN__LISTEN",
            "unix:/etc/passwd",
            "a file that is no socket is there",
        ),
    ] {
        let options = DaemonOptions::default().variable(variable, value);
        run(&options, &["run"]).await.exits(71).says(words);
    }
}
