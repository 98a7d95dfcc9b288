//! What a value is kept under.

use std::fmt;
use std::sync::Arc;

/// The version of what is kept: of the bytes around a value and of the
/// documents inside. A program that writes either differently counts it up, so
/// that two versions beside each other never read each other's values.
const ENCODING: u32 = 1;

/// The name of a value, with the revision it was made from. Another revision
/// is another name, so nothing that is kept ever has to be deleted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    text: Arc<str>,
    revision_at: usize,
}

impl Key {
    /// `kind` is what is kept (`summary`), `ids` is of what, and `revision` is
    /// everything that it was made from. None of them holds a blank or the
    /// colon that stands between them, apart from `ids`, where it separates
    /// several ids.
    pub fn new(kind: &'static str, ids: impl fmt::Display, revision: impl fmt::Display) -> Self {
        let head = format!("budgetd:cache:{ENCODING}:{kind}:{ids}:");
        Self {
            revision_at: head.len(),
            text: format!("{head}{revision}").into(),
        }
    }

    /// The name in Redis.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The revision alone: an `ETag` without its quotes.
    pub fn revision(&self) -> &str {
        &self.text[self.revision_at..]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_everything_and_tells_its_revision() {
        let key = Key::new("comparison", "17:4", "aa-bb");
        assert_eq!(key.as_str(), "budgetd:cache:1:comparison:17:4:aa-bb");
        assert_eq!(key.revision(), "aa-bb");
        assert_ne!(key, Key::new("comparison", "17:4", "aa-cc"));
    }
}
