//! The `Authorization` header (RFC 9110, section 11.6.2; RFC 6750, section 2.1).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::rejection::{Refusal, Rejection};

/// The longest token that is looked at, in bytes. Those of Supabase have one
/// or two thousand.
const MAX_TOKEN: usize = 8 * 1024;

/// The token that a request carries. One that has two headers of the name says
/// something else to each program on its way that takes the first or the last.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let value = values.next().ok_or(Rejection::HeaderMissing)?;
    if values.next().is_some() {
        return Err(Rejection::HeaderFormat);
    }
    let value = value.to_str().map_err(|_| Rejection::HeaderFormat)?;
    let mut words = value.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Err(Rejection::HeaderMissing),
        (Some(scheme), Some(token), None) if scheme.eq_ignore_ascii_case("bearer") => {
            if token.len() <= MAX_TOKEN {
                Ok(token)
            } else {
                Err(Refusal::TooLong.into())
            }
        }
        _ => Err(Rejection::HeaderFormat),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn sent(values: &[&[u8]]) -> HeaderMap {
        let value = |value: &&[u8]| HeaderValue::from_bytes(value).unwrap();
        let headers = values.iter().map(|v| (AUTHORIZATION, value(v)));
        headers.collect()
    }

    fn read(value: &str) -> Result<String, Rejection> {
        token(&sent(&[value.as_bytes()])).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(read(value).unwrap(), "a.b.c");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(token(&sent(&[])), Err(Rejection::HeaderMissing));
        assert_eq!(read(" "), Err(Rejection::HeaderMissing));
        for value in ["Bearer", "a.b.c", "Basic a.b.c", "Bearer a b", "Bearera.b"] {
            assert_eq!(read(value), Err(Rejection::HeaderFormat), "{value}");
        }
        let (latin, good): (&[u8], &[u8]) = (b"Bearer \xe9", b"Bearer a.b.c");
        for values in [&[latin][..], &[good, good], &[good, b"Basic abc"]] {
            assert_eq!(token(&sent(values)), Err(Rejection::HeaderFormat));
        }
    }

    #[test]
    fn a_token_has_a_bound() {
        let longest = "x".repeat(MAX_TOKEN);
        assert!(read(&format!("Bearer {longest}")).is_ok());
        assert_eq!(
            read(&format!("Bearer {longest}x")),
            Err(Refusal::TooLong.into())
        );
    }
}
