//! The signature of a token (RFC 7515).

use jsonwebtoken::{Algorithm, DecodingKey, Header, decode_header};

use super::crypto;
use super::rejection::Refusal;

/// The header of a token, if it asks for nothing that is never accepted.
pub(super) fn header(token: &str) -> Result<Header, Refusal> {
    let header = decode_header(token).map_err(|_| Refusal::Header)?;
    if !crypto::is_supported(header.alg) {
        return Err(Refusal::Header);
    }
    // RFC 7515, section 4.1.11: none of them is known here.
    if header.crit.is_some() {
        return Err(Refusal::Critical);
    }
    Ok(header)
}

/// Whether `key` has signed a token with `algorithm`, whatever its header says.
pub(super) fn verify(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<(), Refusal> {
    let (message, signature) = token.rsplit_once('.').ok_or(Refusal::Header)?;
    match jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Refusal::Signature),
    }
}
