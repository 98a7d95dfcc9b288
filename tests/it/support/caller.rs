//! A user of the budget API.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::client::{self, Response};
use super::{Daemon, DaemonOptions};

/// What the daemon verifies HS256 tokens with.
pub(crate) const JWT_SECRET: &str = "a-secret-of-the-tests-with-enough-characters";

/// The user of most tests.
pub(crate) const USER: &str = "00000000-0000-4000-8000-00000000cafe";

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs()
}

/// Claims as Supabase issues them.
pub(crate) fn claims(user: &str, role: &str) -> Value {
    json!({
        "sub": user, "aud": "authenticated", "exp": now() + 3600, "iat": now(),
        "role": "authenticated", "app_metadata": {"role": role},
        "user_metadata": {"role": "admin"}
    })
}

pub(crate) fn sign(claims: &Value) -> String {
    sign_with(JWT_SECRET, claims)
}

/// A token of a project with another secret.
pub(crate) fn sign_with(secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::default(), claims, &key)
}

/// A token signed with a key that `tests/keys` publishes, under the name `kid`.
pub(crate) fn sign_by(algorithm: Algorithm, kid: &str, claims: &Value) -> String {
    let key = match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_der(include_bytes!("../../keys/es256.pkcs8.der")),
        Algorithm::RS256 => EncodingKey::from_rsa_der(include_bytes!("../../keys/rs256.pkcs1.der")),
        Algorithm::EdDSA => EncodingKey::from_ed_der(include_bytes!("../../keys/eddsa.pkcs8.der")),
        other => panic!("no key signs with {other:?}"),
    };
    let mut header = Header::new(algorithm);
    header.kid = Some(kid.to_owned());
    encode(&header, claims, &key)
}

fn encode(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    budgetd::auth::install_crypto();
    jsonwebtoken::encode(header, claims, key).expect("claims can be signed")
}

impl DaemonOptions {
    /// Verifies the tokens of [`Caller`].
    pub(crate) fn tokens(self) -> Self {
        self.variable("SUPABASE_JWT_SECRET", JWT_SECRET)
    }
}

/// Someone with a token.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    port: u16,
    headers: Vec<(String, String)>,
}

impl Caller {
    pub(crate) fn new(daemon: &Daemon, role: &str) -> Self {
        Self::with_claims(daemon, &claims(USER, role))
    }

    pub(crate) fn with_claims(daemon: &Daemon, claims: &Value) -> Self {
        Self::with_token(daemon, &sign(claims))
    }

    pub(crate) fn with_token(daemon: &Daemon, token: &str) -> Self {
        Self::anonymous(daemon).with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn anonymous(daemon: &Daemon) -> Self {
        Self::at(daemon.api())
    }

    /// Someone without a token, of whatever listens there.
    pub(crate) fn at(port: u16) -> Self {
        Self {
            port,
            headers: Vec::new(),
        }
    }

    /// The same with a token of a role.
    pub(crate) fn role(&self, role: &str) -> Self {
        self.with(
            "authorization",
            &format!("Bearer {}", sign(&claims(USER, role))),
        )
    }

    /// The same through a port that leads to the daemon.
    pub(crate) fn through(&self, port: u16) -> Self {
        let mut caller = self.clone();
        caller.port = port;
        caller
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The same with one more header.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.to_owned()));
        caller
    }

    /// Sends `path` under `/api/v1`; an error is one of the connection.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> std::io::Result<Response> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let path = format!("/api/v1{path}");
        client::request_over(stream, method, &path, &headers, body).await
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> Response {
        let sent = self.try_send(method.clone(), path, body).await;
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    async fn send_json(&self, method: Method, path: &str, body: &Value) -> Response {
        let caller = self.with("content-type", "application/json");
        caller.send(method, path, &body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Response {
        self.send_json(Method::POST, path, &body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Response {
        self.send_json(Method::PUT, path, &body).await
    }

    /// `PUT` without a body, as a step of a version is made.
    pub(crate) async fn step(&self, path: &str) -> Response {
        self.send(Method::PUT, path, "").await
    }

    pub(crate) async fn post_csv(&self, path: &str, csv: &str) -> Response {
        let caller = self.with("content-type", "text/csv");
        caller.send(Method::POST, path, csv).await
    }

    /// Creates a version, which must work, and answers with it.
    pub(crate) async fn create(&self, name: &str, fiscal_year: u16) -> Value {
        let body = json!({"name": name, "fiscal_year": fiscal_year});
        let created = self.post("/budget-versions", body).await;
        assert_eq!(created.code, 201, "{}", created.body);
        created.json()
    }
}

/// A path below a version.
pub(crate) fn below(version: &Value, rest: &str) -> String {
    let id = version["id"].as_str().expect("a version has an id");
    format!("/budget-versions/{id}{rest}")
}
