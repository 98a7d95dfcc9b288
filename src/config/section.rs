//! A cursor over the merged values: each key is taken once, and what is left
//! at the end is unknown.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use figment::value::{Dict, Value};

use super::layers::Layers;
use super::problem::{Problem, Provenance, Warning, printable};

/// What reading brings to light, apart from the values.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Warning>>,
    /// Where each key that was set came from.
    pub(super) origins: RefCell<BTreeMap<String, Provenance>>,
    /// Every key that was asked for, set or not.
    pub(super) known: RefCell<BTreeSet<String>>,
}

impl Report {
    pub(super) fn problem(
        &self,
        from: Provenance,
        key: Option<String>,
        message: impl Into<String>,
    ) {
        self.problems.borrow_mut().push(Problem {
            from,
            key,
            message: message.into(),
        });
    }

    pub(super) fn warn(&self, from: Provenance, key: String, message: impl Into<String>) {
        self.warnings.borrow_mut().push(Warning {
            from,
            key,
            message: message.into(),
        });
    }

    /// Where `key` came from, if anyone set it.
    pub(super) fn origin(&self, key: &str) -> Provenance {
        let origins = self.origins.borrow();
        origins.get(key).cloned().unwrap_or(Provenance::BuiltIn)
    }
}

/// One value, and where it came from.
#[derive(Clone)]
pub(super) struct Leaf {
    pub(super) value: Value,
    pub(super) key: String,
    pub(super) from: Provenance,
}

/// A table of the configuration.
pub(super) struct Section<'a> {
    path: String,
    /// Where the table itself came from.
    own: Provenance,
    entries: Dict,
    asked: Vec<String>,
    layers: &'a Layers,
    report: &'a Report,
}

impl<'a> Section<'a> {
    pub(super) fn root(layers: &'a Layers, report: &'a Report) -> Self {
        Self {
            path: String::new(),
            own: Provenance::BuiltIn,
            entries: layers.values(),
            asked: Vec::new(),
            layers,
            report,
        }
    }

    pub(super) fn report(&self) -> &'a Report {
        self.report
    }

    /// The full name of `key`.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Takes `key` out, if it is set.
    pub(super) fn take(&mut self, key: &str) -> Option<Leaf> {
        let path = self.path_of(key);
        self.asked.push(key.to_owned());
        self.report.known.borrow_mut().insert(path.clone());
        let value = self.entries.remove(key)?;
        let from = self.layers.origin(&value, &path);
        let mut origins = self.report.origins.borrow_mut();
        origins.insert(path.clone(), from.clone());
        Some(Leaf {
            value,
            key: path,
            from,
        })
    }

    /// Reads `key`, or reports why it cannot be read.
    pub(super) fn read<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Leaf) -> Result<T, String>,
    ) -> Option<T> {
        let leaf = self.take(key)?;
        match parse(&leaf) {
            Ok(value) => Some(value),
            Err(message) => {
                self.report.problem(leaf.from, Some(leaf.key), message);
                None
            }
        }
    }

    /// Replaces `target` by what `key` says, if it is set.
    pub(super) fn set<T>(
        &mut self,
        key: &str,
        target: &mut T,
        parse: impl FnOnce(&Leaf) -> Result<T, String>,
    ) {
        if let Some(value) = self.read(key, parse) {
            *target = value;
        }
    }

    /// Takes the table `key`, empty when it is not set.
    pub(super) fn section(&mut self, key: &str) -> Section<'a> {
        self.asked.push(key.to_owned());
        let path = self.path_of(key);
        let value = self.entries.remove(key);
        let own = match &value {
            Some(value) => self.layers.origin(value, &path),
            None => Provenance::BuiltIn,
        };
        let entries = match value {
            Some(Value::Dict(_, entries)) => entries,
            Some(_) => {
                self.report
                    .problem(own.clone(), Some(path.clone()), "a table is expected");
                Dict::new()
            }
            None => Dict::new(),
        };
        Section {
            path,
            own,
            entries,
            asked: Vec::new(),
            layers: self.layers,
            report: self.report,
        }
    }

    /// Where the table came from, by the first thing in it.
    pub(super) fn first_origin(&self) -> Provenance {
        let origins = self.report.origins.borrow();
        let within = format!("{}.", self.path);
        let taken = origins.range(within.clone()..).next();
        match taken.filter(|(key, _)| key.starts_with(&within)) {
            Some((_, from)) => from.clone(),
            None => match self.entries.iter().next() {
                Some((key, value)) => self.layers.origin(value, &self.path_of(key)),
                None => self.own.clone(),
            },
        }
    }

    /// The keys that nobody has taken yet.
    pub(super) fn remaining(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    /// Everything that is left is unknown.
    pub(super) fn finish(self) {
        for (key, value) in &self.entries {
            let path = self.path_of(key);
            let from = self.layers.origin(value, &path);
            let message = match self.nearest(key) {
                Some(known) => format!("unknown key; did you mean `{known}`?"),
                None => format!("unknown key; known are {}", self.asked.join(", ")),
            };
            self.report.problem(from, Some(path), message);
        }
    }

    fn nearest(&self, key: &str) -> Option<&str> {
        self.asked
            .iter()
            .map(|known| (strsim::jaro_winkler(known, &key.to_lowercase()), known))
            .filter(|(similarity, _)| *similarity > 0.8)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, known)| known.as_str())
    }
}

/// The full name of `key` in the table `path`, quoted as TOML would have it.
pub(super) fn join(path: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let key = if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("\"{}\"", printable(key))
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}
