use super::run;
use crate::support::{AuthApi, DaemonOptions, Port, Redis};

#[tokio::test]
async fn a_line_for_each_that_is_up() {
    let redis = Redis::start().await;
    let auth = AuthApi::start().await;
    let options = DaemonOptions::default()
        .cache(&redis.url())
        .variable("SUPABASE_URL", &auth.url());
    let all = run(&options, &["wait"]).await;
    all.exits(0);
    let mut lines: Vec<&str> = all.stdout.lines().collect();
    lines.sort_unstable();
    let cache = format!("cache is up ({})", redis.url());
    let auth_line = format!("supabase_auth is up ({}/auth/v1/health)", auth.url());
    assert_eq!(lines, [&cache, &auth_line]);
    assert_eq!(all.stderr, "");

    let one = run(&options, &["wait", "cache", "--timeout", "20s"]).await;
    one.exits(0);
    assert_eq!(one.stdout, format!("{cache}\n"));
}

#[tokio::test]
async fn what_is_needed_is_checked_too_and_the_timeout_says_why() {
    let gone = Port::reserve();
    let redis = Redis::start().await;
    let options = DaemonOptions::default()
        .cache(&format!("redis://:sesame@localhost:{}/0", gone.number()))
        .config(&format!(
            "[dependencies.queue]\nkind = 'tcp'\nurl = 'tcp://localhost:{}'\npolicy = 'optional'\n\
             needs = ['cache']",
            redis.port()
        ));
    let printed = run(&options, &["wait", "queue", "--timeout", "300ms"]).await;
    printed
        .exits(69)
        .says("budgetd: queue was not up within 300ms: it needs cache, which is not up");
    assert_eq!(printed.stdout, "");

    let printed = run(&options, &["wait", "queue", "cache", "--timeout", "300ms"]).await;
    printed
        .exits(69)
        .says("budgetd: cache was not up within 300ms: connection refused (tried ")
        .says("nothing listens there: start it");
    // In start order, however often it is run.
    let place = |word: &str| printed.stderr.find(word);
    assert!(place("cache was") < place("queue was"), "{printed:#?}");
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_hold_it() {
    let redis = Redis::start().await;
    redis.freeze();
    let options = DaemonOptions::default().cache(&redis.url());
    run(&options, &["wait", "--timeout", "100ms"])
        .await
        .exits(69)
        .says("cache was not up within 100ms: it did not answer");
}

#[tokio::test]
async fn names_that_cannot_be_waited_for() {
    let options = DaemonOptions::default();
    run(&options, &["wait", "nobody"])
        .await
        .exits(2)
        .says("cannot wait for nobody: there is no such dependency; known are database, cache, supabase_auth");
    run(&options, &["wait", "cache"])
        .await
        .exits(78)
        .says("cannot wait for cache: it is disabled or has no url");
    run(&options, &["wait", "supabase_auth"])
        .await
        .exits(78)
        .says("cannot wait for supabase_auth");
}

#[tokio::test]
async fn nothing_to_wait_for_is_up_at_once() {
    run(&DaemonOptions::default(), &["wait"])
        .await
        .exits(0)
        .is_silent();
}
