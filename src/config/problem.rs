//! Where a value came from, and what is wrong with it.

use std::fmt;
use std::path::PathBuf;

use super::Dependency;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// Nobody set it.
    BuiltIn,
    File {
        path: PathBuf,
        line: Option<usize>,
    },
    Variable {
        name: String,
        /// The env-file it stands in; `None` is the process's environment.
        file: Option<PathBuf>,
    },
    /// A file in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential {
        path: PathBuf,
    },
}

impl Provenance {
    /// Whether the value arrived as text without types.
    pub(super) fn is_variable(&self) -> bool {
        matches!(self, Self::Variable { .. })
    }

    /// Whether it is a variable of the existing deployment, in whose durations
    /// a bare number means seconds.
    pub(super) fn is_legacy_variable(&self) -> bool {
        matches!(self, Self::Variable { name, .. } if !super::layers::is_nested_variable(name))
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("the defaults"),
            Self::File { path, line: None } => write!(f, "{}", printable(path.display())),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}, line {line}", printable(path.display())),
            Self::Variable { name, file: None } => {
                write!(f, "the variable {}", printable(name))
            }
            Self::Variable {
                name,
                file: Some(file),
            } => {
                let file = printable(file.display());
                write!(f, "the variable {} in {file}", printable(name))
            }
            Self::Credential { path } => {
                write!(f, "the credential {}", printable(path.display()))
            }
        }
    }
}

/// Names come from outside: one line each, whatever they hold.
pub(super) fn printable(text: impl fmt::Display) -> String {
    text.to_string().replace(char::is_control, "\u{fffd}")
}

/// Something that keeps the configuration from being used.
///
/// It tells where, which key and what is allowed, and never the value: that
/// may be a password in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub from: Provenance,
    /// The full key, `api.listen`; `None` when it concerns its source as a whole.
    pub key: Option<String>,
    /// What is allowed, or why it cannot be read.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "cannot use {key} from {}: {}", self.from, self.message),
            None => write!(f, "cannot use {}: {}", self.from, self.message),
        }
    }
}

/// Everything that is wrong with a configuration; its `Display` is a line for
/// each problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Problems {
    problems: Vec<Problem>,
    dependencies: Option<Vec<Dependency>>,
}

impl Problems {
    pub(super) fn new(problems: Vec<Problem>, dependencies: Option<Vec<Dependency>>) -> Self {
        Self {
            problems,
            dependencies,
        }
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// The dependencies as far as they could be read, so that what is wrong
    /// with their graph can be told in the same breath. `None` when a whole
    /// layer is missing: then nobody knows which ones there are.
    pub fn dependencies(&self) -> Option<&[Dependency]> {
        self.dependencies.as_deref()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Something that is accepted, but not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub from: Provenance,
    pub key: String,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}: {}", self.key, self.from, self.message)
    }
}
