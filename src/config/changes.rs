//! Changes in files that nobody will notice, because a variable hides them.

use std::fmt;

use super::{Loaded, Provenance};

/// A key whose value in the files changed while something above them keeps it
/// as it was: a process cannot re-read its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenChange {
    /// The full name of the key, `checks.interval`.
    pub key: String,
    /// The variable or credential that holds its value.
    pub by: Provenance,
}

impl fmt::Display for HiddenChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the change of {} is hidden by {}", self.key, self.by)
    }
}

/// What changed in the files from `old` to `new` without any effect.
pub fn hidden_changes(old: &Loaded, new: &Loaded) -> Vec<HiddenChange> {
    new.origins
        .iter()
        .filter(|(_, by)| {
            matches!(
                by,
                Provenance::Variable { .. } | Provenance::Credential { .. }
            )
        })
        .filter(|(key, _)| old.in_files.get(*key) != new.in_files.get(*key))
        // A port from a variable leaves the file's host in force.
        .filter(|(key, _)| old.effective.get(*key) == new.effective.get(*key))
        .map(|(key, by)| HiddenChange {
            key: key.clone(),
            by: by.clone(),
        })
        .collect()
}
