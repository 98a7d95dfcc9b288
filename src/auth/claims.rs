//! What a token says, once its signature has been found good.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::rejection::{Refusal, Rejection};
use crate::budget::UserId;
use crate::config;

/// How far the clocks of the auth API and this machine may be apart, in
/// seconds.
const LEEWAY: f64 = 30.0;

/// The claims of a token (RFC 7519, section 4).
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// Reads the claims of a token whose signature is known to be good.
    pub(super) fn of_verified(token: &str) -> Result<Self, Refusal> {
        // What is dangerous about it is to read claims before the signature.
        let read = jsonwebtoken::dangerous::insecure_decode_claims::<Box<RawValue>>(token);
        Self::parse(read.map_err(|_| Refusal::Claims)?.get())
    }

    pub(super) fn parse(json: &str) -> Result<Self, Refusal> {
        // Two of one name would leave open which one somebody else has read.
        serde_json::from_str::<NoneTwice>(json).map_err(|_| Refusal::Claims)?;
        let claims = serde_json::from_str(json).map_err(|_| Refusal::Claims)?;
        Ok(Self(claims))
    }

    /// A claim; null is none.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        present(&self.0, name)
    }

    /// What only the auth API's owner can write.
    pub(super) fn app_metadata(&self) -> Option<&Map<String, Value>> {
        self.get("app_metadata")?.as_object()
    }

    /// Looks `path` up here, and then below `app_metadata`.
    pub(super) fn at(&self, path: &[String]) -> Option<&Value> {
        let below = |claims| {
            let (last, folders) = path.split_last()?;
            let folder = folders
                .iter()
                .try_fold(claims, |claims, name| present(claims, name)?.as_object())?;
            present(folder, last)
        };
        below(&self.0).or_else(|| below(self.app_metadata()?))
    }

    /// Whether the token is meant for us, now; `now` is in seconds of Unix
    /// time.
    pub(super) fn check(&self, auth: &config::Auth, now: f64) -> Result<(), Refusal> {
        let expires = self.get("exp").and_then(Value::as_f64);
        if expires.is_none_or(|expires| now >= expires + LEEWAY) {
            return Err(Refusal::Expired);
        }
        if let Some(begins) = self.get("nbf")
            && begins.as_f64().is_none_or(|begins| now + LEEWAY < begins)
        {
            return Err(Refusal::NotYet);
        }
        let for_us = |audience: &Value| *audience == auth.audience.as_str();
        let meant = match self.get("aud") {
            Some(Value::Array(several)) => several.iter().any(for_us),
            Some(one) => for_us(one),
            None => false,
        };
        if !meant {
            return Err(Refusal::Audience);
        }
        let issued = match self.get("iss") {
            Some(issuer) => auth.issuer.is_empty() || *issuer == auth.issuer.as_str(),
            None => !auth.issuer_required,
        };
        if issued { Ok(()) } else { Err(Refusal::Issuer) }
    }

    pub(super) fn user(&self) -> Result<UserId, Rejection> {
        match self.get("sub") {
            None => Err(Rejection::UserMissing),
            Some(Value::String(user)) if user.is_empty() => Err(Rejection::UserMissing),
            Some(Value::String(user)) => {
                let refused = |_| Rejection::UserFormat(user.as_str().into());
                user.parse().map_err(refused)
            }
            Some(_) => Err(Refusal::Subject.into()),
        }
    }
}

fn present<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).filter(|claim| !claim.is_null())
}

/// Any JSON in which no object has two members of one name.
struct NoneTwice;

impl<'de> Deserialize<'de> for NoneTwice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

macro_rules! leaves {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E: Error>(self, _: $type) -> Result<NoneTwice, E> {
            Ok(NoneTwice)
        }
    )*};
}

impl<'de> Visitor<'de> for Walk {
    type Value = NoneTwice;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate names")
    }

    leaves!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<NoneTwice, E> {
        Ok(NoneTwice)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<NoneTwice, A::Error> {
        while all.next_element::<NoneTwice>()?.is_some() {}
        Ok(NoneTwice)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NoneTwice, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, NoneTwice)) = members.next_entry::<String, NoneTwice>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(NoneTwice)
    }
}
