//! Tokens that are verified with the keys of a project, and settings of who is
//! let in that change while the daemon runs.

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use rustix::process::Signal;
use serde_json::Value;

use super::Rig;
use crate::support::caller::{Caller, JWT_SECRET, USER, claims, sign_by, sign_with};
use crate::support::{Answer, AuthApi, Daemon, DaemonOptions, PATIENCE, Postgres, Redis, wait};

const VERSIONS: &str = "/budget-versions";

/// A daemon in front of a project that publishes keys, or not.
async fn rig(api: &AuthApi) -> Rig {
    Rig::with(|options: DaemonOptions| options.variable("SUPABASE_URL", &api.url())).await
}

/// Claims as the project issues them.
fn issued(api: &AuthApi, role: &str) -> Value {
    let mut claims = claims(USER, role);
    claims["iss"] = format!("{}/auth/v1", api.url()).into();
    claims
}

fn signed(daemon: &Daemon, api: &AuthApi, kid: &str) -> Caller {
    let token = sign_by(Algorithm::ES256, kid, &issued(api, "planner"));
    Caller::with_token(daemon, &token)
}

#[tokio::test]
async fn every_kind_of_key_lets_in_and_keys_are_asked_for_as_seldom_as_may_be() {
    let api = AuthApi::start().await;
    api.set(Answer::keys());
    let rig = rig(&api).await;
    for (algorithm, kid) in [
        (Algorithm::ES256, "elliptic"),
        (Algorithm::RS256, "rsa"),
        (Algorithm::EdDSA, "edwards"),
    ] {
        let token = sign_by(algorithm, kid, &issued(&api, "planner"));
        let created = Caller::with_token(&rig.daemon, &token)
            .create(
                "Budget",
                2026 + u16::from(kid == "rsa") + 2 * u16::from(kid == "edwards"),
            )
            .await;
        assert_eq!(created["status"], "working", "{algorithm:?}");
    }
    let shared = Caller::with_claims(&rig.daemon, &issued(&api, "viewer"));
    assert_eq!(shared.get(VERSIONS).await.code, 200);
    let mut elsewhere = issued(&api, "viewer");
    elsewhere["iss"] = "https://elsewhere.example/auth/v1".into();
    let elsewhere = Caller::with_claims(&rig.daemon, &elsewhere);
    assert_eq!(elsewhere.get(VERSIONS).await.code, 401);
    assert_eq!(api.asked_for_keys(), 1);

    // Whatever names are invented, it asks once in half a minute.
    let invented: Vec<Caller> = (0..20)
        .map(|n| signed(&rig.daemon, &api, &format!("invented-{n}")))
        .collect();
    for answer in join_all(invented.iter().map(|caller| caller.get(VERSIONS))).await {
        assert_eq!(answer.code, 401, "{}", answer.body);
        assert_eq!(answer.json()["detail"], "Invalid or expired token");
    }
    assert_eq!(api.asked_for_keys(), 2);
}

#[tokio::test]
async fn while_the_auth_api_is_down_what_cannot_be_judged_is_503_and_the_rest_goes_on() {
    let api = AuthApi::start().await;
    api.set(Answer::Status(503));
    let rig = rig(&api).await;
    let caller = signed(&rig.daemon, &api, "elliptic").with("origin", "http://localhost:5173");
    let refused = caller.get(VERSIONS).await;
    assert_eq!(refused.code, 503, "{}", refused.body);
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds), "{seconds}");
    assert_eq!(refused.header("www-authenticate"), None);
    let origin = refused.header("access-control-allow-origin");
    assert_eq!(origin, Some("http://localhost:5173"));
    let shared = Caller::with_claims(&rig.daemon, &issued(&api, "viewer"));
    assert_eq!(shared.get(VERSIONS).await.code, 200);

    api.set(Answer::keys());
    wait::until("its keys are known", PATIENCE, async || {
        (caller.get(VERSIONS).await.code == 200).then_some(())
    })
    .await;
    // Down again: the keys that are known are used on.
    api.set(Answer::Cut);
    rig.daemon.until_status("supabase_auth", "error").await;
    let new = signed(&rig.daemon, &api, "new");
    assert_eq!(new.get(VERSIONS).await.code, 503);
    assert_eq!(caller.get(VERSIONS).await.code, 200);
}

#[tokio::test]
async fn a_reload_changes_who_is_let_in_how_often_and_how_long_values_are_kept() {
    const OTHER: &str = "another-secret-of-the-tests-with-enough-characters";

    let settings = |secret: &str, reads: u32, ttl: &str| {
        format!(
            "[auth]\njwt_secret = \"{secret}\"\n[limits]\nreads_per_minute = {reads}\n\
             [cache]\nttl = \"{ttl}\"\n"
        )
    };
    let (database, redis) = (Postgres::start().await, Redis::start().await);
    let mut daemon = DaemonOptions::default()
        .config(&settings(JWT_SECRET, 50, "1h"))
        .database(&database.url())
        .cache(&redis.url())
        .serve()
        .await;
    daemon.until_status("cache", "ok").await;
    let old = Caller::new(&daemon, "planner");
    let version = old.create("Budget", 2026).await;
    let answer = old.get(VERSIONS).await;
    assert_eq!(answer.header("x-ratelimit-limit"), Some("50"));

    daemon.rewrite_config(&settings(OTHER, 40, "1m"));
    daemon.signal(Signal::HUP);
    daemon.event("config_reloaded").await;
    let token = sign_with(OTHER, &claims(USER, "viewer"));
    let new = Caller::with_token(&daemon, &token);
    wait::until("the new secret holds", PATIENCE, async || {
        (new.get(VERSIONS).await.code == 200).then_some(())
    })
    .await;
    assert_eq!(old.get(VERSIONS).await.code, 401);
    let id = version["id"].as_str().unwrap();
    let summary = new.get(&format!("/consolidation/{id}/summary")).await;
    assert_eq!(summary.header("x-ratelimit-limit"), Some("40"));
    let tag = summary.header("etag").unwrap().trim_matches('"').to_owned();
    let key = format!("budgetd:cache:1:summary:{id}:{tag}");
    // It is kept beside the response, for a minute and no more than a tenth.
    let seconds: i64 = wait::until("it is kept", PATIENCE, async || {
        let left = redis.command(&["TTL", &key]).await;
        left.trim()
            .trim_start_matches(':')
            .parse()
            .ok()
            .filter(|left| *left > 0)
    })
    .await;
    assert!((50..=66).contains(&seconds), "{seconds}");
}
