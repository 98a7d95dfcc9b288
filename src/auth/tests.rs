use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::StatusCode;
use http::header::AUTHORIZATION;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use super::*;
use crate::budget::{OrganizationId, Role, UserId};
use crate::config::{HttpTarget, Secret};
use crate::dependency::{ErrorKind, Failure};

mod claims;
mod keys;
mod signatures;

const SECRET: &str = "a secret of the tests, which is long enough";
const USER: &str = "11111111-2222-3333-4444-555555555555";
const ISSUER: &str = "https://project.example.co/auth/v1";

/// The published keys, the ones of `tests/keys`.
fn published() -> Value {
    serde_json::from_str(include_str!("../../tests/keys/key_set.json")).unwrap()
}

/// A set of one of them, under another name.
fn published_as(kid: &str, name: &str) -> Value {
    let set = published();
    let keys = set["keys"].as_array().unwrap();
    let mut key = keys.iter().find(|key| key["kid"] == kid).unwrap().clone();
    key["kid"] = name.into();
    json!({ "keys": [key] })
}

fn signing_key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::HS256 => EncodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::RS256 | Algorithm::RS512 => {
            EncodingKey::from_rsa_der(include_bytes!("../../tests/keys/rs256.pkcs1.der"))
        }
        Algorithm::ES256 => {
            EncodingKey::from_ec_der(include_bytes!("../../tests/keys/es256.pkcs8.der"))
        }
        Algorithm::EdDSA => {
            EncodingKey::from_ed_der(include_bytes!("../../tests/keys/eddsa.pkcs8.der"))
        }
        other => panic!("no key signs with {other:?}"),
    }
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    header
}

/// Signs whatever it is given with the key of its algorithm.
fn sign(header: &Header, claims: &impl serde::Serialize) -> String {
    install_crypto();
    encode(header, claims, &signing_key(header.alg)).unwrap()
}

/// The claims of a good token, with some replaced; null takes one away.
fn good(changes: Value) -> Value {
    let mut claims = json!({
        "sub": USER,
        "aud": "authenticated",
        "exp": now() + 3600.0,
        "iss": ISSUER,
        "role": "authenticated",
    });
    let Value::Object(changes) = changes else {
        panic!("changes are an object");
    };
    for (name, value) in changes {
        claims[name] = value;
    }
    claims
}

fn shared(claims: &Value) -> String {
    sign(&header(Algorithm::HS256, None), claims)
}

fn elliptic(kid: &str) -> String {
    sign(&header(Algorithm::ES256, Some(kid)), &good(json!({})))
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Identity, Rejection> {
    let value = format!("Bearer {token}").parse().unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    verifier.verify(&headers).await
}

fn viewer() -> Identity {
    Identity {
        user: USER.parse().unwrap(),
        role: Role::Viewer,
        organizations: Organizations::All,
    }
}

fn configured() -> Config {
    let mut config = Config::builtin();
    config.auth.jwt_secret = SECRET.into();
    config.auth.issuer = ISSUER.to_owned();
    config.auth.key_set = Some(target("auth.example"));
    config
}

fn target(host: &str) -> HttpTarget {
    HttpTarget {
        host: host.to_owned(),
        port: 80,
        tls: false,
        credentials: None,
        path_and_query: "/auth/v1/.well-known/jwks.json".to_owned(),
        headers: Vec::new(),
        accept: Vec::new(),
    }
}

/// How the key set is answered for.
#[derive(Debug, Clone)]
enum Answer {
    Keys(Value),
    /// What the set was when it was asked for, later.
    Slow(Duration, Value),
    Other(StatusCode, &'static str),
    Refused,
    Silence,
}

/// A stand-in for the transport to the auth API.
struct Publisher {
    answer: watch::Sender<Answer>,
    asked: Arc<AtomicUsize>,
    hints: Arc<AtomicUsize>,
}

impl Publisher {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn hints(&self) -> usize {
        self.hints.load(Ordering::SeqCst)
    }

    fn answers(&self, answer: Answer) {
        self.answer.send_replace(answer);
    }
}

fn verifier(config: &Config, answer: Answer) -> (Verifier, Publisher) {
    let (answer, answers) = watch::channel(answer);
    let publisher = Publisher {
        answer,
        asked: Arc::default(),
        hints: Arc::default(),
    };
    let (asked, hints) = (publisher.asked.clone(), publisher.hints.clone());
    let fetch = move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        let answer = answers.borrow().clone();
        let ok = |set: Value| Ok((StatusCode::OK, Bytes::from(set.to_string())));
        async move {
            match answer {
                Answer::Keys(set) => ok(set),
                Answer::Slow(time, set) => {
                    sleep(time).await;
                    ok(set)
                }
                Answer::Other(status, body) => Ok((status, Bytes::from(body))),
                Answer::Refused => Err(Failure::new(ErrorKind::Refused, "connection refused")),
                Answer::Silence => std::future::pending().await,
            }
        }
        .boxed()
    };
    let hint = move || {
        hints.fetch_add(1, Ordering::SeqCst);
    };
    let verifier = Verifier::with(config, Arc::new(fetch), Arc::new(hint));
    verifier.reconfigure(config);
    (verifier, publisher)
}

/// A verifier with everything set, whose auth API answers.
fn usual() -> (Verifier, Publisher) {
    verifier(&configured(), Answer::Keys(published()))
}

#[test]
fn a_verification_can_move_between_threads() {
    fn is_send(_: &impl Send) {}
    fn check(verifier: &Verifier) {
        is_send(&verifier.verify(&HeaderMap::new()));
    }
    let _ = check;
}
