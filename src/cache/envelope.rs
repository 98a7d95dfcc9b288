//! How a value stands in Redis.
//!
//! `bc`, the form of the payload, its checksum, and the payload: the body as it
//! is, or its length and the body compressed (LZ4 block). The checksum is over
//! key and body, so a value that was damaged or answers for another key is no
//! value, and the body is computed anew.

use bytes::Bytes;
use lz4_flex::block::{compress_prepend_size, decompress_into, uncompressed_size};
use twox_hash::XxHash3_64;

use super::Key;

const MAGIC: [u8; 2] = *b"bc";
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// Magic, form and checksum.
const HEAD: usize = 2 + 1 + 8;

/// From this size on a body is compressed, in bytes. Below, there is little to
/// gain.
const COMPRESSED_FROM: usize = 1024;

/// The largest body that is kept, in bytes. One that is larger would hold up
/// everybody else's answers on the connection.
pub(super) const MAX_BODY: usize = 4 << 20;

/// The bytes to keep, or `None` when there are too many.
pub(super) fn seal(key: &Key, body: &[u8]) -> Option<Vec<u8>> {
    if body.len() > MAX_BODY {
        return None;
    }
    let compressed = (body.len() >= COMPRESSED_FROM)
        .then(|| compress_prepend_size(body))
        .filter(|compressed| compressed.len() < body.len());
    let (form, payload) = match &compressed {
        Some(compressed) => (LZ4, compressed.as_slice()),
        None => (PLAIN, body),
    };
    let mut sealed = Vec::with_capacity(HEAD + payload.len());
    sealed.extend(MAGIC);
    sealed.push(form);
    sealed.extend(checksum(key, body).to_le_bytes());
    sealed.extend_from_slice(payload);
    Some(sealed)
}

/// The body that was kept under `key`, or `None` when it is not one.
pub(super) fn open(key: &Key, sealed: Vec<u8>) -> Option<Bytes> {
    let (head, payload) = sealed.split_first_chunk::<HEAD>()?;
    let (magic, rest) = head.split_first_chunk()?;
    let (form, sum) = rest.split_first()?;
    let sum = u64::from_le_bytes(sum.try_into().ok()?);
    if *magic != MAGIC {
        return None;
    }
    let body = match *form {
        PLAIN => Bytes::from(sealed).slice(HEAD..),
        LZ4 => decompressed(payload)?,
        _ => return None,
    };
    (checksum(key, &body) == sum).then_some(body)
}

fn decompressed(payload: &[u8]) -> Option<Bytes> {
    let (length, compressed) = uncompressed_size(payload).ok()?;
    // The length is the value's own claim.
    if length > MAX_BODY {
        return None;
    }
    let mut body = vec![0; length];
    let written = decompress_into(compressed, &mut body).ok()?;
    (written == length).then(|| body.into())
}

fn checksum(key: &Key, body: &[u8]) -> u64 {
    let key = XxHash3_64::oneshot(key.as_str().as_bytes());
    XxHash3_64::oneshot_with_seed(key, body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::new("summary", 1, "a")
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(body in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let sealed = seal(&key(), &body).unwrap();
            prop_assert_eq!(open(&key(), sealed).unwrap(), body);
        }

        #[test]
        fn nothing_else_opens(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert_eq!(open(&key(), bytes.clone()), None);
            for form in [PLAIN, LZ4, 2] {
                let head = [b'b', b'c', form];
                prop_assert_eq!(open(&key(), [&head, bytes.as_slice()].concat()), None);
            }
        }

        #[test]
        fn a_damaged_byte_is_seen(
            text in "[a-z]{0,8}",
            times in 0_usize..400,
            place: prop::sample::Index,
            damage in 1_u8..,
        ) {
            let body = text.repeat(times);
            let mut sealed = seal(&key(), body.as_bytes()).unwrap();
            let place = place.index(sealed.len());
            sealed[place] ^= damage;
            // Some bytes of LZ4 may be written in several ways.
            let opened = open(&key(), sealed);
            prop_assert!(opened.is_none_or(|opened| opened == body));
        }

        #[test]
        fn a_cut_value_is_seen(body in "[ab]{0,3000}", place: prop::sample::Index) {
            let mut sealed = seal(&key(), body.as_bytes()).unwrap();
            sealed.truncate(place.index(sealed.len()));
            prop_assert_eq!(open(&key(), sealed), None);
        }
    }

    #[test]
    fn a_value_answers_for_its_own_key_alone() {
        let sealed = seal(&key(), b"{}").unwrap();
        let newer = Key::new("summary", 1, "b");
        assert_eq!(open(&newer, sealed.clone()), None);
        assert_eq!(open(&key(), sealed).unwrap(), "{}");
    }

    #[test]
    fn large_bodies_are_compressed_and_larger_ones_not_kept() {
        let body = r#"{"amount_sar":"1.00"}"#.repeat(10_000);
        let sealed = seal(&key(), body.as_bytes()).unwrap();
        assert!(sealed.len() < body.len() / 20, "{}", sealed.len());
        assert_eq!(open(&key(), sealed).unwrap(), body);
        assert_eq!(seal(&key(), &vec![0; MAX_BODY + 1]), None);
    }

    #[test]
    fn a_claim_of_a_huge_length_is_not_believed() {
        let mut sealed = seal(&key(), &[0; COMPRESSED_FROM]).unwrap();
        sealed[HEAD..HEAD + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(open(&key(), sealed), None);
    }
}
