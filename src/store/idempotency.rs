//! The answers that retried requests get again.
//!
//! A key is claimed and its answer kept in the transaction of the write
//! itself, so there is an answer exactly when there is a write.

use tokio_postgres::types::Type;

use super::{StoreError, Transaction};
use crate::budget::UserId;

/// What makes two requests the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    pub user: UserId,
    pub method: &'a str,
    pub path: &'a str,
    pub key: &'a str,
    /// Of the body, and of what else decides its meaning.
    pub request_hash: &'a [u8],
}

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub status: u16,
    pub body: Vec<u8>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// The request is new: do the work, then [`keep`] the answer.
    New,
    /// It was done before.
    Done(Kept),
    /// The key was used for another request.
    Misused,
}

/// How long a key is remembered.
const KEPT_FOR: &str = "interval '24 hours'";

/// Claims a key. One that a concurrent request has claimed is waited for, at
/// most for the statement timeout.
pub async fn claim(transaction: &Transaction, claim: Claim<'_>) -> Result<Claimed, StoreError> {
    let user = claim.user.uuid();
    let key: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 5] = [
        (&user, Type::UUID),
        (&claim.method, Type::TEXT),
        (&claim.path, Type::TEXT),
        (&claim.key, Type::TEXT),
        (&claim.request_hash, Type::BYTEA),
    ];
    let claim = format!(
        "INSERT INTO budgetd.idempotency_keys AS known (user_id, method, path, key, request_hash) \
         VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT ON CONSTRAINT idempotency_keys_once DO UPDATE \
         SET request_hash = $5, status = NULL, body = NULL, created_at = now() \
         WHERE known.created_at < now() - {KEPT_FOR}"
    );
    if transaction.execute(&claim, &key).await? == 1 {
        forget(transaction).await?;
        return Ok(Claimed::New);
    }
    let row = transaction
        .row(
            "SELECT request_hash = $5, status, body FROM budgetd.idempotency_keys \
             WHERE (user_id, method, path, key) = ($1, $2, $3, $4)",
            &key,
        )
        .await?;
    let broken = |error: tokio_postgres::Error| StoreError::Broken(error.to_string());
    let same: bool = row.try_get(0).map_err(broken)?;
    if !same {
        return Ok(Claimed::Misused);
    }
    let status: i16 = row.try_get(1).map_err(broken)?;
    Ok(Claimed::Done(Kept {
        status: status.unsigned_abs(),
        body: row.try_get(2).map_err(broken)?,
    }))
}

/// A few keys of the past go with each new one, so that they never pile up.
/// Those that someone else is looking at are left to them, and the own key is
/// claimed before: nobody who waits for a key holds another one.
async fn forget(transaction: &Transaction) -> Result<(), StoreError> {
    let forget = format!(
        "DELETE FROM budgetd.idempotency_keys WHERE ctid = ANY (ARRAY(\
         SELECT ctid FROM budgetd.idempotency_keys WHERE created_at < now() - {KEPT_FOR} \
         ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED))"
    );
    transaction.execute(&forget, &[]).await.map(drop)
}

/// Keeps the answer of a claim that was new.
pub async fn keep(
    transaction: &Transaction,
    claim: Claim<'_>,
    answer: &Kept,
) -> Result<(), StoreError> {
    let user = claim.user.uuid();
    let status = i16::try_from(answer.status).unwrap_or(i16::MAX);
    transaction
        .execute(
            "UPDATE budgetd.idempotency_keys SET status = $5, body = $6 \
             WHERE (user_id, method, path, key) = ($1, $2, $3, $4)",
            &[
                (&user, Type::UUID),
                (&claim.method, Type::TEXT),
                (&claim.path, Type::TEXT),
                (&claim.key, Type::TEXT),
                (&status, Type::INT2),
                (&answer.body, Type::BYTEA),
            ],
        )
        .await
        .map(drop)
}
