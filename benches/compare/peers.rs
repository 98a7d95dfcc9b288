//! What people would use instead, each as a private process.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::clients;
use crate::support::{Port, Postgres, Process, client, folder};
use crate::swarm::Asked;

pub(crate) mod own;

mod beat;
mod haproxy;
mod monit;
mod nginx;

pub(crate) use beat::Beat;
pub(crate) use haproxy::{Check, Haproxy};
pub(crate) use monit::Monit;

/// How many clients a server is set up for: some take memory for all of them
/// at once.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Room {
    /// As many as it chooses by itself.
    Default,
    Clients(usize),
}

/// A web server that answers every request with the same 200.
#[derive(Debug)]
pub(crate) struct Web {
    process: Process,
    port: Port,
    _folder: tempfile::TempDir,
}

impl Web {
    /// nginx with `return 200`.
    pub(crate) fn nginx(workers: usize, body: &str, room: Room) -> Self {
        Self::start(|folder, port| nginx::start(folder, port, workers, body, room))
    }

    /// `HAProxy` with `http-request return`, a thread for each core.
    pub(crate) fn haproxy(body: &str, room: Room) -> Self {
        Self::start(|folder, port| haproxy::answering(folder, port, body, room))
    }

    /// The least that a server on hyper can be.
    pub(crate) fn hyper(body: &str) -> Self {
        Self::start(|folder, port| own::start(folder, &["hyper", &port.to_string(), body]))
    }

    fn start(launch: impl FnOnce(&Path, u16) -> Process) -> Self {
        let (folder, port) = (folder(), Port::reserve());
        Self {
            process: launch(folder.path(), port.number()),
            port,
            _folder: folder,
        }
    }

    pub(crate) async fn ready(self) -> Self {
        clients::answers(self.port()).await;
        self
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// The first one of it, and those that it started.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        self.process.family()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let first = self.pids()[0];
        rustix::process::kill_process(first, signal).expect("it runs");
    }
}

/// The budget API, or what stands in for it.
#[derive(Debug)]
pub(crate) struct Api(Web);

impl Api {
    /// Of the first draft with Postgres.
    pub(crate) const PLAIN_CONNECTIONS: usize = own::PLAIN_CONNECTIONS;

    /// budgetd's handlers alone. Without a `redis` there is none.
    pub(crate) async fn bare(database: &Postgres, redis: &str) -> Self {
        let url = database.url();
        let role = |port: u16| ["bare".to_owned(), port.to_string(), url, redis.to_owned()];
        Self::start(role).await
    }

    /// The first draft of a handler.
    pub(crate) async fn plain(database: &Postgres) -> Self {
        let url = database.url();
        Self::start(|port| ["plain".to_owned(), port.to_string(), url]).await
    }

    async fn start<const N: usize>(role: impl FnOnce(u16) -> [String; N]) -> Self {
        let web = Web::start(|folder, port| {
            let role = role(port);
            own::start(folder, &role.each_ref().map(String::as_str))
        });
        clients::accepts(web.port()).await;
        Self(web)
    }

    pub(crate) fn asked(&self) -> Asked {
        let first = self.0.pids()[0];
        Asked {
            port: self.0.port(),
            pid: first.as_raw_nonzero().get().unsigned_abs(),
        }
    }
}

/// Someone who knows whether a dependency is up, and can be asked.
pub(crate) trait Watcher {
    async fn says(&self, dependency: &str, up: bool) -> bool;
}

/// The moment in which a watcher first says so.
pub(crate) async fn moment_of(
    watcher: &impl Watcher,
    pause: Duration,
    dependency: &str,
    up: bool,
) -> tokio::time::Instant {
    let what = format!(
        "a watcher says that {dependency} is {}",
        if up { "up" } else { "down" }
    );
    clients::moment(&what, pause, async || watcher.says(dependency, up).await).await
}

/// What a watcher with an HTTP front answers to `path`.
async fn answers(port: u16, path: &str) -> Option<client::Response> {
    client::get(port, path).await.ok()
}
