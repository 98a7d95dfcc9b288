//! `HAProxy`, as a server of one answer and as a watcher.

use std::fmt::Write;
use std::path::Path;

use super::{Room, Watcher, answers};
use crate::support::{Port, Process, client, find, folder};

/// What a watcher is set up for: it has hardly any clients, and opens a
/// connection for each check.
const CHECKS: Room = Room::Clients(12_000);

/// Without strict limits it takes as many clients as it can get files for, and
/// does not count two for each.
fn head(room: Room) -> String {
    let limit = match room {
        Room::Default => String::new(),
        Room::Clients(count) => format!("    maxconn {count}\n"),
    };
    format!(
        "global\n{limit}    no strict-limits\ndefaults\n    mode http\n    timeout client 75s\n    \
         timeout connect 5s\n    timeout server 15s\n    timeout http-keep-alive 75s\n"
    )
}

pub(super) fn answering(folder: &Path, port: u16, body: &str, room: Room) -> Process {
    launch(folder, &front(room, port, body))
}

fn front(room: Room, port: u16, body: &str) -> String {
    let head = head(room);
    format!(
        "{head}frontend front\n    bind 127.0.0.1:{port}\n    \
         http-request return status 200 content-type application/json string \"{body}\"\n"
    )
}

fn launch(folder: &Path, settings: &str) -> Process {
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, settings).expect("the folder is writable");
    let arguments = ["-db", "-f", &file.display().to_string()].map(ToOwned::to_owned);
    Process::start("haproxy", &find("haproxy", "haproxy"), folder, &arguments)
}

/// How a server is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// It accepts a connection.
    Connect,
    /// PING is answered with PONG.
    Redis,
    /// It answers as a Postgres does.
    Postgres,
}

impl Check {
    fn settings(self) -> &'static str {
        match self {
            Self::Connect => "    option tcp-check\n",
            Self::Redis => {
                "    option tcp-check\n    tcp-check send PING\\r\\n\n    tcp-check expect string +PONG\n"
            }
            Self::Postgres => "    option pgsql-check user postgres\n",
        }
    }
}

/// A `HAProxy` that checks servers.
#[derive(Debug)]
pub(crate) struct Haproxy {
    process: Process,
    port: Port,
    _folder: tempfile::TempDir,
}

impl Haproxy {
    /// Watches dependencies, each by its name. `inter` is as `HAProxy` wants
    /// it after `check`, and may be empty for its defaults. Whether one is up
    /// is answered as a balancer in front would see it.
    pub(crate) async fn watching(
        dependencies: impl IntoIterator<Item = (&str, Check, u16)>,
        inter: &str,
    ) -> Self {
        let port = Port::reserve();
        let mut settings = format!(
            "{}frontend front\n    bind 127.0.0.1:{}\n",
            head(CHECKS),
            port.number()
        );
        let mut backends = String::new();
        for (name, check, server) in dependencies {
            let _ = writeln!(
                settings,
                "    http-request return status 503 if {{ path /{name} }} !{{ nbsrv({name}) gt 0 }}"
            );
            let _ = writeln!(
                backends,
                "backend {name}\n    mode tcp\n{}    server one 127.0.0.1:{server} check {inter}",
                check.settings()
            );
        }
        let _ = write!(settings, "    http-request return status 200\n{backends}");
        Self::launch(port, &settings).await
    }

    /// Watches many servers once a second, and answers every request with
    /// `body`.
    pub(crate) async fn of_many(
        check: Check,
        servers: impl Iterator<Item = String>,
        body: &str,
    ) -> Self {
        let port = Port::reserve();
        let mut settings = front(CHECKS, port.number(), body);
        let _ = write!(settings, "backend many\n    mode tcp\n{}", check.settings());
        for (number, server) in servers.enumerate() {
            let _ = writeln!(settings, "    server s{number} {server} check inter 1s");
        }
        Self::launch(port, &settings).await
    }

    async fn launch(port: Port, settings: &str) -> Self {
        let folder = folder();
        let mut process = launch(folder.path(), settings);
        let asked = port.number();
        process
            .wait_until_it_answers(async || client::get(asked, "/").await.is_ok())
            .await;
        Self {
            process,
            port,
            _folder: folder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.family()[0]
            .as_raw_nonzero()
            .get()
            .unsigned_abs()
    }
}

impl Watcher for Haproxy {
    async fn says(&self, dependency: &str, up: bool) -> bool {
        let answer = answers(self.port.number(), &format!("/{dependency}")).await;
        answer.is_some_and(|answer| (answer.code == 200) == up)
    }
}
