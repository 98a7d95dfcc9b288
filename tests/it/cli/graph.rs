use super::run;
use crate::support::DaemonOptions;

fn options() -> DaemonOptions {
    DaemonOptions::default()
        .database("postgres://u:sesame@db.example/budget")
        .variable("SUPABASE_URL", "https://auth.example")
        .config(
            r#"
            [dependencies.queue]
            kind = "tcp"
            url = "tcp://queue.example:5672"
            policy = "startup"
            needs = ["database"]
            "#,
        )
}

#[tokio::test]
async fn as_text() {
    let printed = run(&options(), &["graph"]).await;
    printed.exits(0);
    insta::assert_snapshot!(printed.stdout, @r"
    database       postgres  required  postgres://db.example:5432/budget
    cache          redis     disabled  disabled
    supabase_auth  http      optional  https://auth.example:443/auth/v1/health
    queue          tcp       startup   tcp://queue.example:5672  needs database
    ");
}

#[tokio::test]
async fn as_mermaid() {
    let printed = run(&options(), &["graph", "--format", "mermaid"]).await;
    printed.exits(0);
    insta::assert_snapshot!(printed.stdout, @r#"
    flowchart LR
        n0["database<br/>postgres, required"]
        n1["cache<br/>redis, disabled"]
        n2["supabase_auth<br/>http, optional"]
        n3["queue<br/>tcp, startup"]
        api(["API listener"])
        api ==>|required| n0
        n3 -->|needs| n0
        api ==>|startup| n3
    "#);
}

#[tokio::test]
async fn as_dot() {
    let printed = run(&options(), &["graph", "--format=dot"]).await;
    printed.exits(0);
    insta::assert_snapshot!(printed.stdout, @r#"
    digraph budgetd {
        rankdir=LR;
        api [shape=box, label="API listener"];
        "database" [style=solid, label="database\npostgres, required"];
        "cache" [style=dashed, label="cache\nredis, disabled"];
        "supabase_auth" [style=solid, label="supabase_auth\nhttp, optional"];
        "queue" [style=solid, label="queue\ntcp, startup"];
        api -> "database" [label=required, style=bold];
        "queue" -> "database" [label=needs];
        api -> "queue" [label=startup, style=bold];
    }
    "#);
}
