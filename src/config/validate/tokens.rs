//! How bearer tokens are verified.

use super::super::address::{HttpTarget, parse};
use super::super::section::{Leaf, Section};
use super::super::values::{self, Parsed};
use super::super::{Auth, Secret};

/// Users can write what stands in it, so it may decide nothing.
const EDITABLE: &str = "user_metadata";

pub(super) fn auth(mut section: Section<'_>, auth: &mut Auth) {
    section.set("supabase_url", &mut auth.supabase_url, project);
    let secret = |leaf: &_| values::text(leaf).map(Secret::from);
    section.set("jwt_secret", &mut auth.jwt_secret, secret);
    section.set("jwks_url", &mut auth.key_set, |leaf| {
        key_set_at(&values::web_address(leaf)?)
    });
    section.set("issuer", &mut auth.issuer, values::text);
    auth.issuer_required = !auth.issuer.is_empty();
    section.set("audience", &mut auth.audience, values::line);
    section.set(
        "organization_claim",
        &mut auth.organization_claim,
        claim_path,
    );
    section.finish();
    if !auth.supabase_url.is_empty() {
        let base = format!("{}/auth/v1", auth.supabase_url);
        if auth.key_set.is_none() {
            let key_set = key_set_at(&format!("{base}/.well-known/jwks.json"));
            auth.key_set = key_set.unwrap_or_default();
        }
        if auth.issuer.is_empty() {
            auth.issuer = base;
        }
    }
}

/// A project's URL, below which its services have theirs.
fn project(leaf: &Leaf) -> Parsed<String> {
    let base = values::web_address(leaf)?;
    key_set_at(&base)?;
    Ok(base)
}

fn key_set_at(url: &str) -> Parsed<Option<HttpTarget>> {
    if url.is_empty() {
        return Ok(None);
    }
    Ok(Some(parse::http(url)?.target))
}

/// Names of claims with dots between them, or nothing.
fn claim_path(leaf: &Leaf) -> Parsed<Vec<String>> {
    let text = values::text(leaf)?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let path: Vec<String> = text.split('.').map(str::to_owned).collect();
    if path[0] == EDITABLE {
        return Err(format!(
            "a claim that users cannot edit is expected, and `{EDITABLE}` is theirs: keep it in `app_metadata`"
        ));
    }
    let legal = |name: &String| {
        !name.is_empty() && !name.contains(|c: char| c.is_control() || c.is_whitespace())
    };
    if text.len() > 200 || !path.iter().all(legal) {
        return Err(
            r#"the name of a claim is expected, such as "org_id", or a path to it with dots between the names"#
                .to_owned(),
        );
    }
    Ok(path)
}
