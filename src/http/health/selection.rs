//! What a readiness query asks for: `?name=a&name=b,c` and `?verbose`.

use std::borrow::Cow;
use std::sync::Arc;

use url::form_urlencoded;

use crate::health::{DependencyHealth, Snapshot};

/// Parameters that are not known are ignored: probes add their own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection<'a> {
    names: Vec<Cow<'a, str>>,
    verbose: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no dependency called {0:?}")]
pub(super) struct UnknownName(String);

impl<'a> Selection<'a> {
    pub(super) fn parse(query: &'a str) -> Self {
        let mut selection = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "name" => selection.names.extend(
                    value
                        .split(',')
                        .map(|name| name.trim().to_owned().into())
                        .filter(|name: &Cow<'_, str>| !name.is_empty()),
                ),
                "verbose" => selection.verbose = !matches!(&*value, "0" | "false"),
                _ => {}
            }
        }
        selection
    }

    /// Whether the prepared document is the answer.
    pub(super) fn is_default(&self) -> bool {
        self.names.is_empty() && !self.verbose
    }

    /// The chosen dependencies, in start order and each once.
    pub(super) fn of<'s>(
        &self,
        snapshot: &'s Snapshot,
    ) -> Result<Vec<&'s Arc<DependencyHealth>>, UnknownName> {
        if let Some(unknown) = self
            .names
            .iter()
            .find(|n| snapshot.dependencies.get(n).is_none())
        {
            return Err(UnknownName(unknown.chars().take(64).collect()));
        }
        let is_chosen = |dependency: &&Arc<DependencyHealth>| {
            self.names.is_empty() || self.names.iter().any(|n| n == dependency.name.as_str())
        };
        Ok(snapshot.dependencies.iter().filter(is_chosen).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_share_a_parameter() {
        let selection = Selection::parse("name=cache&x=1&name=a,%20b,,&name=");
        assert_eq!(selection.names, ["cache", "a", "b"]);
        assert!(!selection.verbose);
        assert!(!selection.is_default());
    }

    #[test]
    fn other_parameters_change_nothing() {
        for query in ["", "x=1", "name=", "verbose=false", "%ff=%zz&&=&name"] {
            assert!(Selection::parse(query).is_default(), "{query}");
        }
        for query in ["verbose", "verbose=1", "verbose=true"] {
            assert!(Selection::parse(query).verbose, "{query}");
        }
    }
}
