//! Who a request speaks for, and what that lets it do.

use std::collections::BTreeSet;

use serde_json::Value;

use super::claims::Claims;
use super::rejection::Rejection;
use crate::budget::{OrganizationId, Role, UserId};

/// Who a request speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub user: UserId,
    pub role: Role,
    pub organizations: Organizations,
}

/// What a user can see; to them, nothing else exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Organizations {
    /// The deployment serves one tenant.
    All,
    Only(BTreeSet<OrganizationId>),
}

impl Organizations {
    pub fn contains(&self, organization: OrganizationId) -> bool {
        match self {
            Self::All => true,
            Self::Only(some) => some.contains(&organization),
        }
    }
}

impl Identity {
    pub(super) fn of(claims: &Claims, organization_claim: &[String]) -> Result<Self, Rejection> {
        Ok(Self {
            user: claims.user()?,
            role: role(claims),
            organizations: organizations(claims, organization_claim),
        })
    }
}

/// Never from `user_metadata`, which users can edit. A word that is no role
/// grants nothing beyond reading.
fn role(claims: &Claims) -> Role {
    let granted = claims.app_metadata().and_then(|data| data.get("role"));
    let role = granted
        .filter(|role| !role.is_null())
        .or_else(|| claims.get("user_role"));
    let role = role.and_then(Value::as_str);
    role.and_then(|role| role.parse().ok())
        .unwrap_or(Role::Viewer)
}

/// What is no identifier names nothing.
fn organizations(claims: &Claims, path: &[String]) -> Organizations {
    if path.is_empty() {
        return Organizations::All;
    }
    let named = match claims.at(path) {
        Some(Value::Array(several)) => several.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let named = named.iter().filter_map(|id| id.as_str()?.parse().ok());
    Organizations::Only(named.collect())
}
