//! Bearer tokens, verified as Supabase Auth (GoTrue) issues them, and who they
//! speak for.
//!
//! A token is a JWS of one of five algorithms (RFC 7515, RFC 7519). HS256 is
//! judged by the shared secret alone, whatever key it names. The others are
//! judged by the key of the published set that the token names, with the
//! algorithm of that key alone; a token that names none needs a set in which
//! just one key fits. Nothing else is accepted, `none` least of all.
//!
//! `exp`, `aud` and `sub` are required. `nbf` and `iss` are checked where they
//! stand; `iss` is required when `auth.issuer` is set, because an auth API
//! whose own URL was never configured leaves it out. Clocks may differ by 30
//! seconds.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use http::HeaderMap;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::config::{self, Config};
use crate::dependency::SUPABASE_AUTH;
use crate::probe;

mod bearer;

mod claims;

mod crypto;

mod identity;

mod keyring;

mod keys;

mod rejection;

mod signature;

pub use crypto::install_crypto;
pub use identity::{Identity, Organizations};
pub use keyring::Hint;
pub use rejection::{Refusal, Rejection, Shown};

use claims::Claims;
use keyring::{Fetch, Keyring, Source};

/// Verifies the tokens of requests.
#[derive(Debug)]
pub struct Verifier {
    rules: ArcSwap<Rules>,
    keyring: Keyring,
}

/// What tokens are judged by.
#[derive(Debug)]
struct Rules {
    auth: config::Auth,
    secret: Option<DecodingKey>,
}

impl Verifier {
    /// A verifier that fetches no keys before [`Verifier::reconfigure`] tells
    /// it from where. A fetch may take as long as a check of the auth API;
    /// `hint` is called when one fails in transport.
    ///
    /// It needs a runtime.
    pub fn new(config: &Config, hint: Hint) -> Self {
        let fetch = |target| async move { probe::http::get(&target).await }.boxed();
        Self::with(config, Arc::new(fetch), hint)
    }

    fn with(config: &Config, fetch: Fetch, hint: Hint) -> Self {
        crypto::install_crypto();
        Self {
            rules: ArcSwap::from_pointee(Rules::of(config)),
            keyring: Keyring::new(fetch, hint),
        }
    }

    /// Judges by these settings from now on. Keys stay while their address
    /// does.
    pub fn reconfigure(&self, config: &Config) {
        if config.auth.jwt_secret.is_empty() && config.auth.key_set.is_none() {
            tracing::warn!(
                event = "auth_not_configured",
                "every token will be refused: set SUPABASE_JWT_SECRET, or SUPABASE_URL for its key set, \
                 or auth.jwt_secret or auth.jwks_url"
            );
        }
        self.rules.store(Arc::new(Rules::of(config)));
        self.keyring.reconfigure(source(config));
    }

    /// Who a request speaks for, by its `Authorization` header.
    pub async fn verify(&self, headers: &HeaderMap) -> Result<Identity, Rejection> {
        let token = bearer::token(headers)?;
        let header = signature::header(token)?;
        let rules = self.rules.load_full();
        if header.alg == Algorithm::HS256 {
            let secret = rules.secret.as_ref().ok_or(Refusal::NoSecret)?;
            signature::verify(token, secret, Algorithm::HS256)?;
        } else {
            let target = rules.auth.key_set.as_ref().ok_or(Refusal::UnknownKey)?;
            let kid = header.kid.as_deref();
            let key = self.keyring.find(target, kid, header.alg).await?;
            key.verify(token)?;
        }
        let claims = Claims::of_verified(token)?;
        claims.check(&rules.auth, now())?;
        Identity::of(&claims, &rules.auth.organization_claim)
    }
}

impl Rules {
    fn of(config: &Config) -> Self {
        let auth = config.auth.clone();
        let secret = auth.jwt_secret.expose();
        let secret = (!secret.is_empty()).then(|| DecodingKey::from_secret(secret.as_bytes()));
        Self { auth, secret }
    }
}

fn source(config: &Config) -> Option<Source> {
    let patience = config
        .dependency(SUPABASE_AUTH)
        .map(|api| api.checks.timeout);
    Some(Source {
        target: config.auth.key_set.clone()?,
        deadline: patience.unwrap_or(Duration::from_secs(2)),
    })
}

/// Seconds of Unix time.
fn now() -> f64 {
    jiff::Timestamp::now().as_duration().as_secs_f64()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests;
