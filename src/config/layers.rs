//! The layers, merged: each value knows where it came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::problem::Provenance;
use super::section::{Report, join};

const PREFIX: &str = "BUDGETD__";

/// Whether a variable sets a key by its path: `BUDGETD__CHECKS__INTERVAL`.
pub(super) fn is_nested_variable(name: &str) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

/// What one layer adds, from one place.
struct Layer {
    values: Dict,
    metadata: Metadata,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

/// The values of all layers so far; later ones win.
pub(super) struct Layers {
    figment: Figment,
    places: Vec<Place>,
}

struct Place {
    from: Provenance,
    /// The line of each key, for files.
    lines: BTreeMap<String, usize>,
}

impl Layers {
    pub(super) fn new() -> Self {
        Self {
            figment: Figment::new(),
            places: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, values: Dict, from: Provenance, lines: BTreeMap<String, usize>) {
        // figment's metadata holds text only, so it names our own entry.
        let metadata = Metadata::named(self.places.len().to_string());
        self.places.push(Place { from, lines });
        let figment = std::mem::replace(&mut self.figment, Figment::new());
        self.figment = figment.merge(Layer { values, metadata });
    }

    /// Sets the one key at `path`.
    pub(super) fn set<S: AsRef<str>>(
        &mut self,
        path: &[S],
        value: impl Into<Value>,
        from: Provenance,
    ) {
        let mut value = value.into();
        for key in path.iter().rev() {
            let key = key.as_ref().to_owned();
            value = Value::from(Dict::from([(key, value)]));
        }
        if let Value::Dict(_, values) = value {
            self.add(values, from, BTreeMap::new());
        }
    }

    /// The keys of `path`, which comes from a variable's name, as the layers
    /// so far write them: such a name has one case, and neither `-` nor `.`.
    fn spelled(&self, path: &[&str]) -> Vec<String> {
        let mut table = self.values();
        let spell = |part: &&str| {
            let written = table.contains_key(*part).then(|| (*part).to_owned());
            let written = written
                .or_else(|| table.keys().find(|key| is_meant(key, part)).cloned())
                .unwrap_or_else(|| (*part).to_owned());
            table = match table.remove(&written) {
                Some(Value::Dict(_, within)) => within,
                _ => Dict::new(),
            };
            written
        };
        path.iter().map(spell).collect()
    }

    /// All values, merged.
    pub(super) fn values(&self) -> Dict {
        match self.figment.find_value("") {
            Ok(Value::Dict(_, values)) => values,
            _ => Dict::new(),
        }
    }

    /// The text at `path` as of now.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.figment.find_value(path).ok()?.into_string()
    }

    pub(super) fn origin(&self, value: &Value, key: &str) -> Provenance {
        let place = self
            .figment
            .get_metadata(value.tag())
            .and_then(|metadata| metadata.name.parse::<usize>().ok())
            .and_then(|index| self.places.get(index));
        match place {
            None => Provenance::BuiltIn,
            Some(Place { from, lines }) => match from {
                Provenance::File { path, .. } => Provenance::File {
                    path: path.clone(),
                    line: lines.get(key).copied(),
                },
                other => other.clone(),
            },
        }
    }

    /// Every leaf by its full name, as comparable text. It may hold secrets.
    pub(super) fn flattened(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        flatten("", &self.values(), &mut flat);
        flat
    }
}

fn flatten(path: &str, values: &Dict, flat: &mut BTreeMap<String, String>) {
    for (key, value) in values {
        let path = join(path, key);
        match value {
            Value::Dict(_, values) => flatten(&path, values, flat),
            leaf => {
                flat.insert(path, comparable(leaf));
            }
        }
    }
}

/// The text of a value without its tag, which differs in every load.
fn comparable(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Array(_, entries) => {
            let entries: Vec<String> = entries.iter().map(comparable).collect();
            format!("[{}]", entries.join(","))
        }
        Value::Num(_, number) => format!("{number:?}"),
        Value::Bool(_, truth) => truth.to_string(),
        other => format!("{:?}", other.to_actual()),
    }
}

/// The variables of one layer: the environment, or an env-file.
pub(super) struct Variables {
    pub(super) entries: BTreeMap<String, String>,
    /// `None` is the process's environment.
    pub(super) file: Option<PathBuf>,
}

impl Variables {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.entries.get(name).map(String::as_str)
    }

    pub(super) fn provenance(&self, name: &str) -> Provenance {
        Provenance::Variable {
            name: name.to_owned(),
            file: self.file.as_deref().map(Path::to_path_buf),
        }
    }

    /// Merges every `BUDGETD__SECTION__KEY`.
    pub(super) fn add_nested(&self, layers: &mut Layers, report: &Report) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (name, value) in &self.entries {
            if !is_nested_variable(name) {
                continue;
            }
            let from = self.provenance(name);
            let path = name[PREFIX.len()..].to_ascii_lowercase();
            if let Some(other) = seen.insert(path.clone(), name) {
                let message = format!("{other} sets the same key; keep one of them");
                report.problem(from, None, message);
                continue;
            }
            let path: Vec<&str> = path.split("__").collect();
            if path.iter().any(|key| key.is_empty()) {
                report.problem(
                    from,
                    None,
                    "a name such as BUDGETD__CHECKS__INTERVAL is expected, \
                     with two underscores between section and key",
                );
                continue;
            }
            let path = layers.spelled(&path);
            layers.set(&path, value.clone(), from);
        }
    }
}

/// Whether the part of a variable's name means this key.
fn is_meant(key: &str, part: &str) -> bool {
    let plain = |c: char| match c {
        '-' | '.' => '_',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(plain).eq(part.chars().map(plain))
}
