//! Makes a token as the auth API does for a project that signs with a shared
//! secret, for trials. It is good for an hour.
//!
//! ```text
//! SUPABASE_JWT_SECRET=… make_token USER-ID [ROLE [ORGANIZATION-ID…]]
//! ```
//!
//! ROLE is `viewer`, `planner`, `manager` or `admin`. Organizations matter when
//! `auth.organization_claim` is `org_ids`.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use budgetd::budget::{OrganizationId, Role, UserId};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

const GOOD_FOR: Duration = Duration::from_hours(1);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let user: UserId = arguments
        .next()
        .context("usage: make_token USER-ID [ROLE [ORGANIZATION-ID…]]")?
        .parse()
        .context("USER-ID is a UUID")?;
    let role: Role = match arguments.next() {
        Some(role) => role
            .parse()
            .context("ROLE is viewer, planner, manager or admin")?,
        None => Role::Viewer,
    };
    let organizations: Vec<OrganizationId> = arguments
        .map(|id| id.parse().context("ORGANIZATION-ID is a UUID"))
        .collect::<anyhow::Result<_>>()?;
    // Arguments can be seen by every user of the machine, variables cannot.
    let secret = std::env::var("SUPABASE_JWT_SECRET")
        .ok()
        .filter(|secret| !secret.is_empty())
        .context("SUPABASE_JWT_SECRET is not set: it signs the token")?;

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let claims = json!({
        "sub": user.to_string(),
        "aud": "authenticated",
        "role": "authenticated",
        "iat": now.as_secs(),
        "exp": (now + GOOD_FOR).as_secs(),
        "app_metadata": {
            "role": role.as_str(),
            "org_ids": organizations.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
    });
    budgetd::auth::install_crypto();
    let key = EncodingKey::from_secret(secret.as_bytes());
    let token = encode(&Header::default(), &claims, &key)?;
    writeln!(std::io::stdout(), "{token}").context("cannot write the token")
}
