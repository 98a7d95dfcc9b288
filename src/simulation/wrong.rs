//! What did not hold in a history, and which of the promises that was.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Wrong {
    what: String,
    /// Where the world asked: each promise has a place of its own.
    asked: &'static Location<'static>,
    /// Since the beginning of the history.
    after: Duration,
}

impl From<String> for Wrong {
    #[track_caller]
    fn from(what: String) -> Self {
        Self {
            what,
            asked: Location::caller(),
            after: Duration::ZERO,
        }
    }
}

impl Wrong {
    pub(super) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The same promise is broken, whoever it is about.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.asked == other.asked
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?}: {}", self.after, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(number: u32) -> Result<(), String> {
        match number {
            1 | 3 => Err(format!("d{number}: is wrong")),
            _ => Ok(()),
        }
    }

    fn second() -> Result<(), String> {
        Err("d3: is wrong".to_owned())
    }

    fn ask(number: u32) -> Result<(), Wrong> {
        first(number)?;
        second()?;
        Ok(())
    }

    #[test]
    fn a_promise_is_told_from_another_by_its_place_and_not_by_words() {
        let [one, two, three] = [1, 2, 3].map(|number| ask(number).unwrap_err());
        assert!(one.is_same(&three));
        assert!(!two.is_same(&three), "the words are the same");
    }
}
