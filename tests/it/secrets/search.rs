//! Looks for secrets in every form in which one may hide.

use super::MARK;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What base 64 makes of the mark wherever in a text it stands: the digits
/// that hang on no neighbour (RFC 4648, section 4).
fn in_base64() -> [String; 3] {
    [0, 1, 2].map(|before: usize| {
        let bits: Vec<u8> = std::iter::repeat_n(0, before)
            .chain(MARK.bytes())
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
            .collect();
        let digits = bits.chunks_exact(6).map(|digit| {
            let index = digit
                .iter()
                .fold(0, |index, bit| index << 1 | usize::from(*bit));
            char::from(ALPHABET[index])
        });
        digits.skip((before * 8).div_ceil(6)).collect()
    })
}

/// Collects what was found, so that one run tells of every leak.
#[derive(Debug, Default)]
pub(super) struct Search {
    looked_at: usize,
    found: Vec<String>,
}

impl Search {
    pub(super) fn look(&mut self, place: &str, text: &str) {
        const SHOWN: usize = 300;

        self.looked_at += text.len();
        let mark = MARK.to_lowercase();
        let base64 = in_base64();
        for line in text.lines() {
            let lower = line.to_lowercase();
            let at = lower
                .find(&mark)
                .or_else(|| base64.iter().find_map(|form| line.find(form)));
            if let Some(at) = at {
                let shown: String = line
                    .chars()
                    .skip(at.saturating_sub(SHOWN))
                    .take(2 * SHOWN)
                    .collect();
                self.found.push(format!("{place}: {shown}"));
            }
        }
    }

    #[track_caller]
    pub(super) fn finish(self) {
        assert!(self.looked_at > 0, "there was nothing to look at");
        let leaks = self.found.len();
        let first: Vec<_> = self.found.into_iter().take(20).collect();
        assert_eq!(leaks, 0, "secrets were found:\n{}", first.join("\n"));
    }
}

#[test]
fn every_form_is_found() {
    for hidden in [
        format!("a{MARK}b"),
        MARK.to_uppercase(),
        // `user:`, `abc:` and `us:` before it, by base64(1).
        "dXNlcjpUcjB1YjRkb3JYeXp6eQ==".to_owned(),
        "YWJjOlRyMHViNGRvclh5enp5".to_owned(),
        "dXM6VHIwdWI0ZG9yWHl6enk=".to_owned(),
    ] {
        let mut search = Search::default();
        search.look("here", &hidden);
        assert_eq!(search.found.len(), 1, "{hidden}");
    }
}
