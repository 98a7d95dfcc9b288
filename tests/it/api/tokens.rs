//! Tokens that are verified with the keys of a project, and settings of who is
//! let in that change while the daemon runs.

use std::cell::Cell;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::watch;

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

    // Whatever names are invented, it asks every other second.
    let invented: Vec<Caller> = (0..20)
        .map(|n| signed(&rig.daemon, &api, &format!("invented-{n}")))
        .collect();
    for answer in join_all(invented.iter().map(|caller| caller.get(VERSIONS))).await {
        assert_eq!(answer.code, 401, "{}", answer.body);
        assert_eq!(answer.json()["detail"], "Invalid or expired token");
    }
    // Those that came while it asked had to wait for the next time.
    assert!((2..=3).contains(&api.asked_for_keys()));
}

/// Keys come and go as GoTrue rotates them, while tokens are shown all the
/// time and somebody invents keys: who has a good token is let in.
#[tokio::test]
async fn a_rotation_under_load_refuses_nobody_who_is_honest() {
    let keys = |names: &[String]| {
        let set: Value = serde_json::from_str(include_str!("../../keys/key_set.json")).unwrap();
        let all = set["keys"].as_array().unwrap();
        let elliptic = all.iter().find(|key| key["kid"] == "elliptic").unwrap();
        let named = |name: &String| {
            let mut key = elliptic.clone();
            key["kid"] = name.as_str().into();
            key
        };
        let keys: Vec<Value> = names.iter().map(named).collect();
        Answer::document(&json!({ "keys": keys }).to_string())
    };
    let api = AuthApi::start().await;
    api.set(keys(&["key-0".to_owned()]));
    let rig = rig(&api).await;
    let (present, presents) = watch::channel("key-0".to_owned());
    let served = Cell::new(0_u32);
    let honest = (0..8).map(|_| {
        let (rig, api, served, presents) = (&rig, &api, &served, presents.clone());
        async move {
            loop {
                let name = presents.borrow().clone();
                let answer = signed(&rig.daemon, api, &name).get(VERSIONS).await;
                assert_eq!(answer.code, 200, "{name}: {}", answer.body);
                served.set(served.get() + 1);
            }
        }
    });
    let forger = async {
        for number in 0_u64.. {
            let forged = signed(&rig.daemon, &api, &format!("invented-{number}"));
            assert_eq!(forged.get(VERSIONS).await.code, 401);
        }
    };
    let rotation = async {
        for number in 1..=4 {
            let (old, new) = (format!("key-{}", number - 1), format!("key-{number}"));
            // Now and then the new key is in use as soon as it is published.
            api.set(keys(&[old, new.clone()]));
            present.send_replace(new.clone());
            let goal = served.get() + 40;
            wait::until("tokens of the new key are shown", PATIENCE, async || {
                (served.get() >= goal).then_some(())
            })
            .await;
            api.set(keys(&[new]));
        }
    };
    tokio::select! {
        () = rotation => {}
        _ = join_all(honest) => unreachable!(),
        () = forger => unreachable!(),
    }
    let lines = rig.daemon.lines_of("auth_keys_loaded");
    assert!(lines.len() >= 5, "{} rotations were seen", lines.len());
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
