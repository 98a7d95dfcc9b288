//! A key set (RFC 7517), reduced to the keys that can verify a token.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use moka::sync::Cache;
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::Deserialize;
use serde_json::Value;

use super::rejection::Refusal;
use super::signature;
use crate::dependency::{ErrorKind, Failure};

/// The most keys of a set that are kept. A project has a handful.
const MAX_KEYS: usize = 100;

/// How many tokens that a key has signed are remembered.
const MAX_REMEMBERED: u64 = 10_000;

/// The keys that are published, each with the one algorithm that it is for.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet {
    keys: Vec<Arc<Key>>,
    /// How many others there are: of other kinds, or for other purposes.
    ignored: usize,
}

#[derive(Debug)]
pub(super) struct Key {
    published: Jwk,
    algorithm: Algorithm,
    verifying: DecodingKey,
    /// The digests of tokens that it has verified: their signature, which
    /// stays good, and nothing that may change with time or settings. It goes
    /// with the key.
    verified: Cache<[u8; SHA256_OUTPUT_LEN], ()>,
}

/// What a set has for a token.
#[derive(Debug)]
pub(super) enum Lookup<'a> {
    Found(&'a Arc<Key>),
    /// Nothing; a newer set may.
    Missing,
    /// Something that does not fit.
    Refused(Refusal),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads what the auth API answered. A set without keys is normal: shared
    /// secrets are not published.
    pub(super) fn read(status: StatusCode, body: &Bytes) -> Result<Self, Failure> {
        if status != StatusCode::OK {
            return Err(Failure::new(
                ErrorKind::NotReady,
                format!("unexpected status {}", status.as_u16()),
            ));
        }
        // What the parser would say may quote what it has read.
        let document: Document = serde_json::from_slice(body)
            .map_err(|_| Failure::new(ErrorKind::Protocol, "the answer is not a key set"))?;
        let all = document.keys.len();
        let usable = document.keys.into_iter().filter_map(Key::read);
        let keys: Vec<_> = usable.take(MAX_KEYS).map(Arc::new).collect();
        Ok(Self {
            ignored: all - keys.len(),
            keys,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn ignored(&self) -> usize {
        self.ignored
    }

    /// Whether both hold the same keys, in whatever order.
    pub(super) fn same(&self, other: &Self) -> bool {
        let published =
            |key: &Key, set: &Self| set.keys.iter().any(|k| k.published == key.published);
        self.len() == other.len()
            && self.ignored == other.ignored
            && self.keys.iter().all(|key| published(key, other))
            && other.keys.iter().all(|key| published(key, self))
    }

    /// The key that a token is signed with, as its header says. A key is used
    /// with its own algorithm alone, whatever a token asks for.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Lookup<'_> {
        let fits = |key: &&Arc<Key>| key.algorithm == algorithm;
        let Some(id) = id else {
            let mut fitting = self.keys.iter().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (None, _) => Lookup::Missing,
                (Some(key), None) => Lookup::Found(key),
                (Some(_), Some(_)) => Lookup::Refused(Refusal::AmbiguousKey),
            };
        };
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.id() == Some(id))
            .peekable();
        if named.peek().is_none() {
            return Lookup::Missing;
        }
        match named.find(fits) {
            Some(key) => Lookup::Found(key),
            None => Lookup::Refused(Refusal::Algorithm),
        }
    }
}

impl Key {
    fn read(published: Value) -> Option<Self> {
        let published: Jwk = serde_json::from_value(published).ok()?;
        let common = &published.common;
        let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let operations = common.key_operations.as_ref();
        let verifies = operations.is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !for_signatures || !verifies {
            return None;
        }
        Some(Self {
            algorithm: algorithm_of(&published)?,
            verifying: DecodingKey::from_jwk(&published).ok()?,
            published,
            verified: Cache::new(MAX_REMEMBERED),
        })
    }

    /// Verifies the signature of a token that is for the algorithm of this
    /// key. Doing so takes a tenth of a millisecond, and a client shows the
    /// same token with each request for an hour.
    pub(super) fn verify(&self, token: &str) -> Result<(), Refusal> {
        let mut remembered = [0; SHA256_OUTPUT_LEN];
        remembered.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        if !self.verified.contains_key(&remembered) {
            signature::verify(token, &self.verifying, self.algorithm)?;
            self.verified.insert(remembered, ());
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        self.published.common.key_id.as_deref()
    }
}

/// The algorithm that a key is for; one that names none is for the usual one
/// of its kind. A shared secret that is published is none, and never used.
fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    use KeyAlgorithm as Named;

    match (&key.algorithm, key.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), None | Some(Named::RS256)) => Some(Algorithm::RS256),
        (AlgorithmParameters::RSA(_), Some(Named::RS512)) => Some(Algorithm::RS512),
        (AlgorithmParameters::EllipticCurve(key), None | Some(Named::ES256))
            if key.curve == EllipticCurve::P256 =>
        {
            Some(Algorithm::ES256)
        }
        (AlgorithmParameters::OctetKeyPair(key), None | Some(Named::EdDSA))
            if key.curve == EllipticCurve::Ed25519 =>
        {
            Some(Algorithm::EdDSA)
        }
        _ => None,
    }
}
