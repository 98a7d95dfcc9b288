//! Tokens whose keys come over HTTP, from a stand-in for the auth API.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;
use budgetd::auth::{Identity, Refusal, Rejection, Verifier};
use budgetd::config::{Config, Sources, load};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::caller::{now, sign_by};
use crate::support::wait::{PATIENCE, until, within};
use crate::support::{Answer, AuthApi};

const USER: &str = "11111111-2222-3333-4444-555555555555";

/// What an existing deployment sets.
fn configured(api: &AuthApi) -> Config {
    let sources = Sources {
        environment: vec![
            ("SUPABASE_URL".into(), api.url().into()),
            ("SUPABASE_JWT_SECRET".into(), "secret".into()),
        ],
        ..Sources::default()
    };
    load(&sources).expect("a legal configuration").config
}

struct Hints(Arc<AtomicUsize>);

impl Hints {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn verifier(config: &Config) -> (Verifier, Hints) {
    let hints = Hints(Arc::default());
    let count = hints.0.clone();
    let hint = move || {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let verifier = Verifier::new(config, Arc::new(hint));
    verifier.reconfigure(config);
    (verifier, hints)
}

fn published() -> Value {
    serde_json::from_str(include_str!("../keys/key_set.json")).expect("a key set")
}

/// A token of the issuer, signed with the key of ES256 under the name `kid`.
fn token(api: &AuthApi, kid: &str) -> String {
    let claims = json!({
        "sub": USER,
        "aud": "authenticated",
        "exp": now() + 60,
        "iss": format!("{}/auth/v1", api.url()),
    });
    sign_by(Algorithm::ES256, kid, &claims)
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Identity, Rejection> {
    let value = format!("bearer {token}").parse().expect("a header");
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    within("a verification", verifier.verify(&headers)).await
}

#[tokio::test]
async fn keys_come_from_the_project_and_are_asked_for_once() {
    let api = AuthApi::start().await;
    api.set(Answer::keys());
    let (verifier, hints) = verifier(&configured(&api));
    for _ in 0..10 {
        let identity = verify(&verifier, &token(&api, "elliptic")).await;
        assert_eq!(identity.expect("a good token").user.to_string(), USER);
    }
    let requests = api.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].method, "GET");
    assert_eq!(requests[0].path, "/auth/v1/.well-known/jwks.json");
    assert_eq!(hints.count(), 0);
}

#[tokio::test]
async fn a_rotation_is_seen_by_the_first_of_many_tokens() {
    let api = AuthApi::start().await;
    api.set(Answer::keys());
    let (verifier, _) = verifier(&configured(&api));
    assert!(verify(&verifier, &token(&api, "elliptic")).await.is_ok());

    let rotated = published().to_string().replace("elliptic", "rotated");
    api.set(Answer::document(&rotated));
    let new = token(&api, "rotated");
    let all = (0..50).map(|_| verify(&verifier, &new));
    for result in futures_util::future::join_all(all).await {
        assert!(result.is_ok(), "{result:?}");
    }
    let invented = ["elliptic", "invented", "another"].map(|kid| token(&api, kid));
    let all = invented.iter().map(|token| verify(&verifier, token));
    for result in futures_util::future::join_all(all).await {
        assert_eq!(result, Err(Rejection::Token(Refusal::UnknownKey)));
    }
    assert_eq!(api.requests().len(), 3);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_of_a_check() {
    let api = AuthApi::start().await;
    api.set(Answer::Silence);
    let mut config = configured(&api);
    let deadline = Duration::from_millis(300);
    for dependency in &mut config.dependencies {
        dependency.checks.timeout = deadline;
    }
    let began = Instant::now();
    let (verifier, hints) = verifier(&config);
    let token = token(&api, "elliptic");
    let result = verify(&verifier, &token).await;
    assert_eq!(result, Err(Rejection::KeysUnavailable));
    assert!(began.elapsed() >= deadline);
    assert_eq!(hints.count(), 1);

    // It comes back without anyone doing anything.
    api.set(Answer::keys());
    until("keys", PATIENCE, async || {
        verify(&verifier, &token).await.ok()
    })
    .await;
}

#[tokio::test]
async fn old_keys_are_used_on_whatever_the_auth_api_says() {
    let api = AuthApi::start().await;
    let mut huge = published();
    huge["padding"] = "x".repeat(70_000).into();
    let down = [
        (Answer::Status(503), 0),
        (Answer::Status(404), 0),
        (Answer::Unauthorized, 0),
        (Answer::Cut, 1),
        (Answer::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()), 1),
        (Answer::document(&huge.to_string()), 1),
        (Answer::document("<html></html>"), 0),
        (Answer::document(r#"{"keys":7}"#), 0),
    ];
    for (down, expected_hints) in down {
        api.set(Answer::keys());
        let (verifier, hints) = verifier(&configured(&api));
        assert!(verify(&verifier, &token(&api, "elliptic")).await.is_ok());
        api.set(down.clone());
        let unknown = verify(&verifier, &token(&api, "new")).await;
        assert_eq!(unknown, Err(Rejection::KeysUnavailable), "{down:?}");
        assert!(verify(&verifier, &token(&api, "elliptic")).await.is_ok());
        assert_eq!(hints.count() > 0, expected_hints > 0, "{down:?}");
    }
}

#[tokio::test]
async fn a_project_without_published_keys_is_normal() {
    let api = AuthApi::start().await;
    api.set(Answer::document(r#"{"keys":[]}"#));
    let (verifier, hints) = verifier(&configured(&api));
    let result = verify(&verifier, &token(&api, "elliptic")).await;
    assert_eq!(result, Err(Rejection::Token(Refusal::UnknownKey)));
    assert_eq!(hints.count(), 0);
}
