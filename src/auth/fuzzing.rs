//! Tokens and key sets as a forger may have made them.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::keys::{KeySet, Lookup};
use super::{Identity, Organizations, Rejection, Verifier, install_crypto, now};
use crate::budget::{OrganizationId, Role};
use crate::config::{Config, HttpTarget};
use crate::dependency::{ErrorKind, Failure};

/// The shared secret of the kept inputs.
const SECRET: &str = "a secret of the tests, which is long enough";

const ISSUER: &str = "https://project.example.co/auth/v1";

/// Where a token says what it sees.
const ORGANIZATIONS: &str = "organizations";

/// The keys that are published, the ones of `tests/keys`.
const KEY_SET: &str = include_str!("../../tests/keys/key_set.json");

/// How far clocks may be apart, in seconds.
const LEEWAY: f64 = 30.0;

thread_local! {
    static COURT: LazyCell<Court> = LazyCell::new(Court::open);
}

/// A verifier that knows a secret and a key set.
struct Court {
    runtime: Runtime,
    verifier: Verifier,
}

impl Court {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let mut config = Config::builtin();
        config.auth.jwt_secret = SECRET.into();
        ISSUER.clone_into(&mut config.auth.issuer);
        config.auth.organization_claim = vec![ORGANIZATIONS.to_owned()];
        config.auth.key_set = Some(HttpTarget {
            host: "auth.example".to_owned(),
            port: 80,
            tls: false,
            credentials: None,
            path_and_query: "/auth/v1/.well-known/jwks.json".to_owned(),
            headers: Vec::new(),
            accept: Vec::new(),
        });
        // It answers once: nobody waits for keys that nobody has.
        let asked = AtomicBool::new(false);
        let fetch = move |_| {
            let answer = if asked.swap(true, Ordering::Relaxed) {
                Err(Failure::new(ErrorKind::Refused, "connection refused"))
            } else {
                Ok((StatusCode::OK, Bytes::from_static(KEY_SET.as_bytes())))
            };
            std::future::ready(answer).boxed()
        };
        let entered = runtime.enter();
        let verifier = Verifier::with(&config, Arc::new(fetch), Arc::new(|| ()));
        verifier.reconfigure(&config);
        drop(entered);
        Self { runtime, verifier }
    }

    fn verify(&self, headers: &HeaderMap) -> Result<Identity, Rejection> {
        self.runtime.block_on(self.verifier.verify(headers))
    }
}

/// A token. The first line says who signs it: `raw` for nobody, and then each
/// further line is an `Authorization` header; otherwise an algorithm, and then
/// the second line is the token's header and the rest are its claims, in which
/// `NOW-31` is the moment half a minute ago.
pub fn token(bytes: &[u8]) -> bool {
    let (signer, rest) = line(bytes);
    let Some((key, algorithm, kid)) = signing(signer) else {
        return signer == b"raw" && raw(rest);
    };
    let (header, claims) = line(rest);
    let claims = &*dated(claims);
    let (one, two) = (
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims),
    );
    let message = format!("{one}.{two}");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm);
    let token = format!("{message}.{}", signature.expect("it can be signed"));
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("base64url is text");
    headers.insert(AUTHORIZATION, value);

    let before = now();
    let verified = COURT.with(|court| court.verify(&headers));
    match &verified {
        Ok(identity) => {
            let kid = kid.expect("a public key is no secret");
            is_signed_so(header, algorithm, kid);
            is_entitled(claims, identity, before);
            // Nor has it opened the door to what nobody has signed.
            let other = forged(&token);
            let value = HeaderValue::from_str(&format!("Bearer {other}")).expect("it is text");
            headers.insert(AUTHORIZATION, value);
            let verified = COURT.with(|court| court.verify(&headers));
            assert!(verified.is_err(), "{other}");
        }
        Err(rejection) => tells_little(rejection, &token),
    }
    verified.is_ok()
}

/// The claims with times in place of what is relative to now: so an input can
/// stay beside an edge.
fn dated(claims: &[u8]) -> Cow<'_, [u8]> {
    let Ok(text) = std::str::from_utf8(claims) else {
        return claims.into();
    };
    let now = Timestamp::now().as_second();
    let mut parts = text.split("NOW");
    let mut dated = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_shift = |(at, c): (usize, char)| c.is_ascii_digit() || at == 0 && "+-".contains(c);
        let end = part.char_indices().find(|one| !is_shift(*one));
        let (shift, rest) = part.split_at(end.map_or(part.len(), |(at, _)| at));
        let time = now.saturating_add(shift.parse().unwrap_or(0));
        dated.push_str(&time.to_string());
        dated.push_str(rest);
    }
    dated.into_bytes().into()
}

/// The same token with another signature.
fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').expect("a token");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{message}.{other}{}", &signature[1..])
}

/// Headers as they come: nobody can sign, so nothing of the token is let in
/// but what was signed before.
fn raw(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for value in bytes.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(AUTHORIZATION, value);
        }
    }
    let before = now();
    match COURT.with(|court| court.verify(&headers)) {
        Ok(identity) => {
            let values = headers.get_all(AUTHORIZATION).iter().count();
            assert_eq!(values, 1, "{headers:?}");
            let value = headers[AUTHORIZATION].to_str().expect("text");
            is_genuine(value, &identity, before);
            true
        }
        Err(rejection) => {
            for value in headers.get_all(AUTHORIZATION) {
                tells_little(&rejection, &String::from_utf8_lossy(value.as_bytes()));
            }
            false
        }
    }
}

fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    match end {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// A key, the algorithm it is used with, and the name it is published under:
/// empty for the shared secret, `None` for what must not be taken at all.
fn signing(word: &[u8]) -> Option<(EncodingKey, Algorithm, Option<&'static str>)> {
    install_crypto();
    Some(match word {
        b"HS256" => {
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            (key, Algorithm::HS256, Some(""))
        }
        b"ES256" => {
            let der = include_bytes!("../../tests/keys/es256.pkcs8.der");
            let key = EncodingKey::from_ec_der(der);
            (key, Algorithm::ES256, Some("elliptic"))
        }
        b"EdDSA" => {
            let der = include_bytes!("../../tests/keys/eddsa.pkcs8.der");
            let key = EncodingKey::from_ed_der(der);
            (key, Algorithm::EdDSA, Some("edwards"))
        }
        // A public key, which everyone knows, as if it were a secret.
        b"public" => {
            let set: Value = serde_json::from_str(KEY_SET).expect("a key set");
            let modulus = set["keys"][0]["n"].as_str().expect("an RSA key");
            let key = EncodingKey::from_secret(modulus.as_bytes());
            (key, Algorithm::HS256, None)
        }
        _ => return None,
    })
}

/// A token that someone has signed who could.
fn is_genuine(value: &str, identity: &Identity, before: f64) {
    let token = value.split_ascii_whitespace().nth(1).expect("a token");
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{token}");
    };
    let message = format!("{header}.{claims}");
    let read = |part| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let (header, claims) = (read(header), read(claims));
    let said: Value = serde_json::from_slice(&header).expect("a header");
    let algorithm: Algorithm = said["alg"]
        .as_str()
        .and_then(|name| name.parse().ok())
        .expect("an algorithm");
    let published: JwkSet = serde_json::from_str(KEY_SET).expect("a key set");
    let (key, kid) = if algorithm == Algorithm::HS256 {
        (DecodingKey::from_secret(SECRET.as_bytes()), "")
    } else {
        let named = |key: &&Jwk| {
            let known = key.common.key_algorithm;
            known.is_some_and(|known| known.to_string() == format!("{algorithm:?}"))
        };
        let jwk = published.keys.iter().find(named).expect("a known key");
        let kid = jwk.common.key_id.as_deref().expect("a name");
        (DecodingKey::from_jwk(jwk).expect("a key"), kid)
    };
    let verified = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, algorithm);
    assert!(verified.expect("a signature"), "{token}");
    is_signed_so(&header, algorithm, kid);
    is_entitled(&claims, identity, before);
}

/// The header asked for what was done.
fn is_signed_so(header: &[u8], algorithm: Algorithm, kid: &str) {
    let header: Value = serde_json::from_slice(header).expect("a header");
    assert_eq!(header["alg"], format!("{algorithm:?}"));
    assert!(header["crit"].is_null(), "{header}");
    let named = &header["kid"];
    assert!(
        algorithm == Algorithm::HS256 || named.is_null() || named == kid,
        "{header}"
    );
}

/// Who is let in may be, by a reading of the claims that shares nothing with
/// the verifier's.
fn is_entitled(text: &[u8], identity: &Identity, now: f64) {
    let claims: Value = serde_json::from_slice(text).expect("claims");
    // Members that stand twice are one when they are written again.
    assert_eq!(
        members(text),
        members(claims.to_string().as_bytes()),
        "{claims}"
    );
    assert!(
        claims["exp"].as_f64().is_some_and(|exp| now < exp + LEEWAY),
        "{claims}"
    );
    let begins = claims["nbf"].as_f64().unwrap_or(0.0);
    assert!(begins <= self::now() + LEEWAY, "{claims}");
    let audiences = match &claims["aud"] {
        Value::Array(several) => several.clone(),
        one => vec![one.clone()],
    };
    assert!(audiences.contains(&"authenticated".into()), "{claims}");
    assert!(
        claims["iss"].is_null() || claims["iss"] == ISSUER,
        "{claims}"
    );

    let user = claims["sub"].as_str().and_then(|sub| sub.parse().ok());
    assert_eq!(user, Some(identity.user), "{claims}");
    if identity.role != Role::Viewer {
        let places = [&claims["app_metadata"]["role"], &claims["user_role"]];
        let granted = |place: &&Value| {
            place.as_str().and_then(|role| role.parse().ok()) == Some(identity.role)
        };
        assert!(places.iter().any(granted), "{claims}");
    }
    match &identity.organizations {
        Organizations::All => panic!("a token sees what it names alone"),
        Organizations::Only(some) => {
            let places = [
                &claims[ORGANIZATIONS],
                &claims["app_metadata"][ORGANIZATIONS],
            ];
            let names = |place: &Value, organization: OrganizationId| match place {
                Value::Array(several) => several.iter().any(|one| is(one, organization)),
                one => is(one, organization),
            };
            for organization in some {
                assert!(
                    places.iter().any(|place| names(place, *organization)),
                    "{claims}"
                );
            }
        }
    }
}

fn is(value: &Value, organization: OrganizationId) -> bool {
    value.as_str().and_then(|text| text.parse().ok()) == Some(organization)
}

/// How many members all objects of a JSON text have: each has one colon
/// outside of strings.
fn members(json: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b':' if !inside => count += 1,
            _ => {}
        }
    }
    count
}

/// A refusal is one short line, without the proof that a token carries.
fn tells_little(rejection: &Rejection, token: &str) {
    let signature = token.rsplit('.').next().filter(|text| text.len() >= 16);
    for told in [Some(rejection.to_string()), rejection.fault()] {
        let told = told.unwrap_or_default();
        assert!(
            told.len() < 400 && !told.contains(char::is_control),
            "{told:?}"
        );
        assert!(
            signature.is_none_or(|proof| !told.contains(proof)),
            "{told:?}"
        );
    }
}

/// A key set.
pub fn key_set(bytes: &[u8]) -> bool {
    const ALL: [Algorithm; 6] = [
        Algorithm::HS256,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::RS512,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ];

    install_crypto();
    let body = Bytes::copy_from_slice(bytes);
    let set = match KeySet::read(StatusCode::OK, &body) {
        Ok(set) => set,
        Err(failure) => {
            assert_eq!(failure.to_string(), "the answer is not a key set");
            return false;
        }
    };
    let document: Value = serde_json::from_slice(bytes).expect("a document");
    let published = document["keys"].as_array().expect("keys");
    assert_eq!(set.len() + set.ignored(), published.len());
    assert!(set.len() <= 100);
    assert!(set.same(&set));
    let again = KeySet::read(StatusCode::OK, &body).expect("it was read before");
    assert!(set.same(&again) && again.same(&set));

    let ids = published.iter().map(|key| key["kid"].as_str());
    for id in ids.chain([None]) {
        for algorithm in ALL {
            if let Lookup::Found(key) = set.find(id, algorithm) {
                let symmetric = matches!(algorithm, Algorithm::HS256 | Algorithm::HS512);
                assert!(!symmetric, "a published secret is used: {document}");
                let is_so = |key: &Value| {
                    (id.is_none() || key["kid"].as_str() == id) && is_for(key, algorithm)
                };
                assert!(published.iter().any(is_so), "{id:?} {algorithm:?}");
                assert!(key.verify("e30.e30.AAAA").is_err());
            }
        }
    }
    set.len() > 0
}

/// Whether a key was published for verifying with this algorithm.
fn is_for(key: &Value, algorithm: Algorithm) -> bool {
    let (kind, curve, usual) = match algorithm {
        Algorithm::RS256 => ("RSA", None, true),
        Algorithm::RS512 => ("RSA", None, false),
        Algorithm::ES256 => ("EC", Some("P-256"), true),
        Algorithm::EdDSA => ("OKP", Some("Ed25519"), true),
        _ => return false,
    };
    let (named, purpose, uses) = (&key["alg"], &key["use"], &key["key_ops"]);
    key["kty"] == kind
        && curve.is_none_or(|curve| key["crv"] == curve)
        && (named.is_null() && usual || *named == format!("{algorithm:?}"))
        && (purpose.is_null() || purpose == "sig")
        && (uses.is_null()
            || uses
                .as_array()
                .is_some_and(|all| all.contains(&"verify".into())))
}
