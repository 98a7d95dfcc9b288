//! monit, looking as often as it can: once a second.

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;

use super::{Watcher, answers};
use crate::support::{Port, Process, client, find, folder, give_away};

#[derive(Debug)]
pub(crate) struct Monit {
    _process: Process,
    port: Port,
    _folder: tempfile::TempDir,
}

impl Monit {
    /// Watches dependencies, each by its name, the protocol as monit calls it,
    /// and the port.
    pub(crate) async fn watching(dependencies: &[(&str, &str, u16)]) -> Self {
        let (folder, port) = (folder(), Port::reserve());
        let here = folder.path().display();
        let mut settings = format!(
            "set daemon 1\nset log {here}/log\nset pidfile {here}/pid\nset idfile {here}/id\n\
             set statefile {here}/state\n\
             set httpd port {} and use address 127.0.0.1 allow 127.0.0.1\n",
            port.number()
        );
        for (name, protocol, server) in dependencies {
            let _ = writeln!(
                settings,
                "check host {name} with address 127.0.0.1\n  \
                 if failed port {server} protocol {protocol} then alert"
            );
        }
        let file = folder.path().join("monitrc");
        std::fs::write(&file, settings).expect("the folder is writable");
        // It reads no settings that others may read.
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&file, private).expect("the file is ours");
        give_away(&file);
        let arguments = ["-I", "-c", &file.display().to_string()].map(ToOwned::to_owned);
        let program = find("monit", "monit");
        let mut process = Process::start("monit", &program, folder.path(), &arguments);
        let asked = port.number();
        process
            .wait_until_it_answers(async || client::get(asked, "/").await.is_ok())
            .await;
        Self {
            _process: process,
            port,
            _folder: folder,
        }
    }
}

impl Watcher for Monit {
    async fn says(&self, dependency: &str, up: bool) -> bool {
        let answer = answers(self.port.number(), "/_status?format=xml&level=full").await;
        let Some(document) = answer else { return false };
        status(&document.body, dependency).is_some_and(|fine| fine == up)
    }
}

/// Whether the service of this name has no error; `None`: it was not checked
/// yet.
fn status(document: &str, name: &str) -> Option<bool> {
    let service = document
        .split("<service ")
        .find(|service| service.contains(&format!("<name>{name}</name>")))?;
    let checked = service.contains("<port>");
    let after = service.split("<status>").nth(1)?;
    checked.then(|| after.starts_with("0<"))
}
