//! From files and variables to a configuration, or to all that is wrong.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::layers::{Layers, Variables, is_nested_variable};
use super::legacy_env::{self, Legacy};
use super::section::Report;
use super::{Config, Problems, Provenance, Secret, Warning, env_file, toml_file, validate};

/// Where an installed daemon finds its configuration.
pub const DEFAULT_FILE: &str = "/etc/budgetd/budgetd.toml";

const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The credentials that `LoadCredential=` may name (systemd.exec(5)).
const CREDENTIALS: &[(&str, &[&str])] = &[
    ("database_url", &["dependencies", "database", "url"]),
    ("redis_url", &["dependencies", "cache", "url"]),
    ("supabase_jwt_secret", &["auth", "jwt_secret"]),
];

/// What the configuration is read from. The environment is handed in, so that
/// reading it is a function of its arguments.
#[derive(Clone, Default)]
pub struct Sources {
    /// Read if it exists, usually [`DEFAULT_FILE`].
    pub default_file: Option<PathBuf>,
    /// Each `--config`; later ones win.
    pub files: Vec<PathBuf>,
    /// Each `--env-file`; later ones win.
    pub env_files: Vec<PathBuf>,
    /// The process's environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// Without the values of variables, which may be secret.
impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("default_file", &self.default_file)
            .field("files", &self.files)
            .field("env_files", &self.env_files)
            .field(
                "environment",
                &format_args!("{} variables", self.environment.len()),
            )
            .finish()
    }
}

/// A configuration, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// What was accepted, but not as it was written.
    pub warnings: Vec<Warning>,
    /// Where each key that was set came from, by its full name (`api.listen`).
    pub origins: BTreeMap<String, Provenance>,
    /// The values in the files alone, and in all layers; for comparing.
    pub(super) in_files: BTreeMap<String, Secret>,
    pub(super) effective: BTreeMap<String, Secret>,
}

/// Reads every layer, merges them and validates the result.
///
/// Later layers win: built-in defaults, the default file, each of `files`,
/// each of `env_files`, the environment, systemd's credentials. Within a
/// layer, `BUDGETD__SECTION__KEY` wins over the old variable for the same key.
///
/// # Errors
///
/// Every problem that was found, in all layers. None of them holds a value.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    load_with(sources, &Report::default())
}

pub(super) fn load_with(sources: &Sources, report: &Report) -> Result<Loaded, Problems> {
    let mut layers = Layers::new();
    let mut complete = true;
    if let Some(path) = &sources.default_file {
        complete &= add_file(path, true, &mut layers, report);
    }
    for path in &sources.files {
        complete &= add_file(path, false, &mut layers, report);
    }
    let in_files = layers.flattened();

    let mut legacy = Legacy::default();
    for path in &sources.env_files {
        match read(path) {
            Ok(text) => {
                let variables = env_file_variables(path, &text, report);
                legacy.apply(&variables, &mut layers, report);
                variables.add_nested(&mut layers, report);
            }
            Err(message) => {
                complete = false;
                report.problem(file(path, None), None, message);
            }
        }
    }
    let environment = process_variables(&sources.environment, report);
    legacy.apply(&environment, &mut layers, report);
    environment.add_nested(&mut layers, report);
    complete &= add_credentials(&sources.environment, &mut layers, report);

    let config = validate::validate(&layers, report, &legacy, complete);
    let problems = report.problems.take();
    if !problems.is_empty() {
        let dependencies = complete.then_some(config.dependencies);
        return Err(Problems::new(problems, dependencies));
    }
    let secret = |flat: BTreeMap<String, String>| {
        flat.into_iter()
            .map(|(key, value)| (key, Secret::from(value)))
            .collect()
    };
    Ok(Loaded {
        config,
        warnings: report.warnings.take(),
        origins: report.origins.take(),
        in_files: secret(in_files),
        effective: secret(layers.flattened()),
    })
}

fn file(path: &Path, line: Option<usize>) -> Provenance {
    Provenance::File {
        path: path.to_path_buf(),
        line,
    }
}

/// The text of a file, or why there is none.
fn read(path: &Path) -> Result<String, String> {
    read_if_exists(path)?.ok_or_else(|| "there is no such file".to_owned())
}

fn read_if_exists(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err("it is not UTF-8 text".to_owned()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

/// Whether everything the file says is known now.
fn add_file(path: &Path, optional: bool, layers: &mut Layers, report: &Report) -> bool {
    let text = match read_if_exists(path) {
        Ok(Some(text)) => text,
        Ok(None) if optional => return true,
        Ok(None) => {
            report.problem(file(path, None), None, "there is no such file");
            return false;
        }
        Err(message) => {
            report.problem(file(path, None), None, message);
            return false;
        }
    };
    match toml_file::parse(&text) {
        Ok(parsed) => {
            layers.add(parsed.values, file(path, None), parsed.lines);
            true
        }
        Err(errors) => {
            for error in errors {
                report.problem(file(path, error.line), None, error.message);
            }
            false
        }
    }
}

fn env_file_variables(path: &Path, text: &str, report: &Report) -> Variables {
    let mut entries = BTreeMap::new();
    for entry in env_file::parse(text) {
        match entry {
            Ok((name, value)) => {
                entries.insert(name, value);
            }
            Err(line) => {
                report.problem(file(path, Some(line)), None, "NAME=value is expected");
            }
        }
    }
    Variables {
        entries,
        file: Some(path.to_path_buf()),
    }
}

/// The variables that concern us. Others may be what they like.
fn process_variables(environment: &[(OsString, OsString)], report: &Report) -> Variables {
    let mut entries = BTreeMap::new();
    for (name, value) in environment {
        let shown = name.to_string_lossy();
        if !is_nested_variable(&shown) && !legacy_env::names().any(|known| known == shown) {
            continue;
        }
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
            entries.insert(name.to_owned(), value.to_owned());
        } else {
            let from = Provenance::Variable {
                name: shown.into_owned(),
                file: None,
            };
            report.problem(from, None, "name and value must be UTF-8 text");
        }
    }
    Variables {
        entries,
        file: None,
    }
}

/// Whether all credentials that exist are known now.
fn add_credentials(
    environment: &[(OsString, OsString)],
    layers: &mut Layers,
    report: &Report,
) -> bool {
    let named = |(name, value): &(OsString, OsString)| {
        (name == CREDENTIALS_DIRECTORY && !value.is_empty()).then(|| PathBuf::from(value))
    };
    let Some(folder) = environment.iter().find_map(named) else {
        return true;
    };
    let mut complete = true;
    for (name, key) in CREDENTIALS {
        let path = folder.join(name);
        let from = Provenance::Credential { path: path.clone() };
        match read_if_exists(&path) {
            Ok(Some(text)) => layers.set(key, legacy_env::trim(&text), from),
            Ok(None) => {}
            Err(message) => {
                complete = false;
                report.problem(from, None, message);
            }
        }
    }
    complete
}
