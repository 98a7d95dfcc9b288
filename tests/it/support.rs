//! Private servers on free ports, a proxy that breaks what passes through it,
//! and a stand-in for the auth API.
//!
//! Servers live in temporary folders and die with their handle, or with the
//! thread that started them: never keep one in a `static`. Starting one waits
//! until it answers. Everything waits for conditions, with a deadline; only
//! [`wait::until`] sleeps, between two looks.

#![allow(
    dead_code,
    unused_imports,
    reason = "a harness offers what its next test will need"
)]

mod auth_api;
mod balancer;
mod browser;
pub(crate) mod caller;
mod catalogue;
mod certificates;
pub(crate) mod client;
mod daemon;
mod events;
pub(crate) mod ledger;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod prometheus;
mod proxy;
mod redis;
pub(crate) mod scale;
mod shipped;
mod systemd_box;
mod talker;
pub(crate) mod visitor;
pub(crate) mod wait;
mod website;

pub(crate) use auth_api::{Answer, AuthApi};
pub(crate) use balancer::{Balancer, Haproxy, Nginx};
pub(crate) use browser::Browser;
pub(crate) use catalogue::assert_catalogued;
pub(crate) use certificates::{Authority, ServerCertificate};
pub(crate) use daemon::{BRISK, Daemon, DaemonOptions};
pub(crate) use events::EventStream;
pub(crate) use pgbouncer::{PgBouncer, PgBouncerOptions};
pub(crate) use port::Port;
pub(crate) use postgres::{Postgres, PostgresOptions, postgres_program};
pub(crate) use process::{Process, find, folder, give_away};
pub(crate) use prometheus::{Prometheus, Series};
pub(crate) use proxy::{FaultProxy, Mode};
pub(crate) use redis::{Redis, RedisOptions};
pub(crate) use systemd_box::{SystemdBox, drop_in, units};
pub(crate) use talker::Talker;
pub(crate) use wait::{PATIENCE, within};
pub(crate) use website::{Page, Website};

/// Delegates what every server can suffer to its process.
macro_rules! suffers {
    ($server:ident) => {
        impl $server {
            /// Kills everything of it with SIGKILL and waits until it is gone.
            pub(crate) async fn kill(&mut self) {
                self.process.kill().await;
            }

            /// Stops every process of it with SIGSTOP: sockets stay open, and
            /// nobody answers.
            pub(crate) fn freeze(&self) {
                self.process.freeze();
            }

            /// Undoes a freeze.
            pub(crate) fn thaw(&self) {
                self.process.thaw();
            }

            pub(crate) fn port(&self) -> u16 {
                self.port.number()
            }

            /// What it wrote so far.
            pub(crate) fn log(&self) -> String {
                self.process.log()
            }
        }
    };
}
use suffers;
