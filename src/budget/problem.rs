//! What is wrong with an input, in the shape that the web client knows.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

/// A step of the way to what is wrong: the name of a field, or the position
/// in an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Loc {
    #[schema(value_type = String)]
    Name(Cow<'static, str>),
    Index(usize),
}

/// One thing that is wrong: where, in words for a person, and in one word for
/// a program. The words are pydantic's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    pub loc: Vec<Loc>,
    pub msg: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: &'static str,
}

/// Everything that is wrong with an input: the `detail` of a 422. Past a
/// bound, further problems of a field or a row are only counted, and the last
/// one tells how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    first: Vec<Problem>,
    more: usize,
    /// How many are told in full.
    listed: usize,
}

impl From<&'static str> for Loc {
    fn from(name: &'static str) -> Self {
        Self::Name(Cow::Borrowed(name))
    }
}

impl Loc {
    /// A name that the client chose, told as far as it helps to find it.
    pub(super) fn given(name: &str) -> Self {
        Self::Name(Cow::Owned(name.chars().take(100).collect()))
    }
}

impl From<usize> for Loc {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Default for Problems {
    fn default() -> Self {
        Self::listing(100)
    }
}

impl Problems {
    /// So many of them are told in full.
    pub(super) fn listing(listed: usize) -> Self {
        Self {
            first: Vec::new(),
            more: 0,
            listed,
        }
    }

    pub fn push(&mut self, problem: Problem) {
        if self.first.len() < self.listed {
            self.first.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Takes over what is wrong with one of many rows: all of it while there is
    /// room, and one problem in any case, so that no bad row goes untold.
    pub(super) fn append_row(&mut self, row: Self) {
        let mut problems = row.first.into_iter();
        self.first.extend(problems.next());
        problems.for_each(|problem| self.push(problem));
        self.more += row.more;
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The problems as they are told.
    pub fn into_vec(self) -> Vec<Problem> {
        let Self {
            mut first, more, ..
        } = self;
        if more > 0 {
            first.push(Problem {
                loc: first[0].loc.iter().take(1).cloned().collect(),
                msg: format!("There are {more} more problems"),
                kind: "too_many_problems",
            });
        }
        first
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        let mut problems = Self::default();
        problems.push(problem);
        problems
    }
}
