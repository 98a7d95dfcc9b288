//! Entity tags and the conditions that requests put on them (RFC 9110, 8.8.3
//! and 13.1).

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt, IfMatch, IfNoneMatch};

use super::error::ApiError;
use crate::budget::RevisionToken;

/// The tag of everything that one revision of one version determines.
pub(super) fn of(token: RevisionToken) -> ETag {
    quoted(&token.to_string())
}

/// The tag of the same as CSV. What is written in other bytes needs another
/// tag, or a client that has the JSON is told that it has the CSV.
pub(super) fn of_csv(token: RevisionToken) -> ETag {
    quoted(&format!("{token}.csv"))
}

/// The tag of what two versions determine.
pub(super) fn of_both(base: RevisionToken, other: RevisionToken) -> ETag {
    quoted(&format!("{base}.{other}"))
}

/// The tag of a text of letters, digits, hyphens and dots.
pub(super) fn quoted(text: &str) -> ETag {
    let tag = format!("\"{text}\"");
    tag.parse()
        .expect("letters, digits, hyphens and dots are legal in a tag")
}

/// Whether the client has what `current` stands for: 304.
pub(super) fn is_known(headers: &HeaderMap, current: &ETag) -> bool {
    headers
        .typed_get::<IfNoneMatch>()
        .is_some_and(|condition| !condition.precondition_passes(current))
}

/// A response with its tag.
pub(super) fn with(tag: ETag, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().typed_insert(tag);
    response
}

/// A response with its tag, or 304 when the client has it.
pub(super) fn unless_known<R: IntoResponse>(
    headers: &HeaderMap,
    tag: ETag,
    response: impl FnOnce() -> R,
) -> Response {
    if is_known(headers, &tag) {
        with(tag, StatusCode::NOT_MODIFIED)
    } else {
        with(tag, response())
    }
}

/// A write may demand to be made on the state that its client has seen, in
/// whatever form.
pub(super) fn demand(headers: &HeaderMap, current: RevisionToken) -> Result<(), ApiError> {
    let seen = |condition: &IfMatch| {
        let mut tags = [of(current), of_csv(current)].into_iter();
        tags.any(|tag| condition.precondition_passes(&tag))
    };
    match headers.typed_try_get::<IfMatch>() {
        Ok(None) => Ok(()),
        Ok(Some(condition)) if seen(&condition) => Ok(()),
        // What cannot be read cannot match.
        Ok(Some(_)) | Err(_) => Err(ApiError::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(digit: char) -> RevisionToken {
        let text = digit.to_string();
        let uuid = [8, 4, 4, 4, 12].map(|length| text.repeat(length)).join("-");
        uuid.parse().unwrap()
    }

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_write_needs_the_very_state_it_names() {
        let demand = |value: &str| demand(&with("if-match", value), token('1')).is_ok();
        let [one, two] = [token('1'), token('2')];
        assert!(super::demand(&HeaderMap::new(), one).is_ok());
        assert!(demand("*"));
        assert!(demand(&format!("\"{one}\"")));
        assert!(demand(&format!("\"{two}\", \"{one}\"")));
        assert!(demand(&format!("\"{one}.csv\"")));
        assert!(!demand(&format!("\"{two}\"")));
        assert!(!demand(&format!("\"{two}.csv\"")));
        assert!(
            !demand(&format!("W/\"{one}\"")),
            "weak tags never match strongly"
        );
        assert!(!demand("nonsense"));
    }

    #[test]
    fn a_read_is_spared_when_its_state_is_known() {
        let known = |value: &str| is_known(&with("if-none-match", value), &of(token('1')));
        let [one, two] = [token('1'), token('2')];
        assert!(!is_known(&HeaderMap::new(), &of(one)));
        assert!(known("*"));
        assert!(known(&format!("\"{one}\"")));
        assert!(known(&format!("W/\"{one}\"")), "balancers weaken tags");
        assert!(known(&format!("\"{two}\", \"{one}\"")));
        assert!(!known(&format!("\"{two}\"")));
        assert!(!known("nonsense"));
    }
}
