use std::ffi::OsString;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

mod layering;
mod legacy;
mod refusals;
mod reload;
mod secrets;
mod shipped;

/// What a configuration is loaded from, in a folder of its own.
struct Given {
    folder: TempDir,
    sources: Sources,
}

fn given() -> Given {
    Given {
        folder: tempfile::tempdir().unwrap(),
        sources: Sources::default(),
    }
}

impl Given {
    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn file(mut self, text: impl AsRef<[u8]>) -> Self {
        let name = format!("{}.toml", self.sources.files.len());
        let path = self.write(&name, text);
        self.sources.files.push(path);
        self
    }

    fn env_file(mut self, text: &str) -> Self {
        let name = format!("{}.env", self.sources.env_files.len());
        let path = self.write(&name, text);
        self.sources.env_files.push(path);
        self
    }

    fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn credential(self, name: &str, text: &str) -> Self {
        let path = self.write(&format!("credentials/{name}"), text);
        let folder = path.parent().unwrap().as_os_str().to_owned();
        self.variable("CREDENTIALS_DIRECTORY", folder)
    }

    #[track_caller]
    fn loaded(&self) -> Loaded {
        match load(&self.sources) {
            Ok(loaded) => loaded,
            Err(problems) => panic!("{problems}"),
        }
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.loaded().config
    }

    /// The problems, with the folder's path left out.
    #[track_caller]
    fn problems(&self) -> String {
        let problems = load(&self.sources).expect_err("it must be refused");
        let folder = format!("{}/", self.folder.path().display());
        problems.to_string().replace(&folder, "")
    }
}

#[track_caller]
fn shown(config: &Config, dependency: &str) -> String {
    let dependency = config.dependency(dependency).unwrap();
    dependency.target.as_ref().map(ToString::to_string).unwrap()
}
