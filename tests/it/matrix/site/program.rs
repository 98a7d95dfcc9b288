//! A server that belongs to a row alone, because the fault is its own.

use crate::matrix::axes::Dependency;
use crate::matrix::servers::Servers;
use crate::support::{Page, PgBouncer, Postgres, PostgresOptions, Redis, Website};

#[derive(Debug, Clone, Copy)]
pub(super) enum Blow {
    Freeze,
    Kill,
    Stop,
}

/// A program of a row's own.
pub(super) enum Program {
    Postgres(Postgres),
    /// What strikes is struck behind the pooler.
    Pooled(Postgres, Box<PgBouncer>),
    Redis(Redis),
    Website(Website),
}

macro_rules! server {
    ($program:expr, $server:ident => $call:expr) => {
        match $program {
            Program::Postgres($server) | Program::Pooled($server, _) => $call,
            Program::Redis($server) => $call,
            Program::Website($server) => $call,
        }
    };
}

impl Program {
    pub(super) async fn start(servers: &Servers, dependency: Dependency) -> Self {
        let postgres = || PostgresOptions::default().data(servers.data()).start();
        match dependency {
            Dependency::Postgres => Self::Postgres(postgres().await),
            Dependency::Pooled => {
                let postgres = postgres().await;
                let pooler = Box::new(PgBouncer::start(&postgres).await);
                Self::Pooled(postgres, pooler)
            }
            Dependency::Redis => Self::Redis(Redis::start().await),
            Dependency::Http | Dependency::Tcp => {
                Self::Website(Website::start(&[Page::code(200)]).await)
            }
        }
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Postgres(postgres) => postgres.port(),
            Self::Pooled(_, pooler) => pooler.port(),
            Self::Redis(redis) => redis.port(),
            Self::Website(site) => site.port(0),
        }
    }

    /// What it wrote; a pooler tells more of what its clients see than the server.
    pub(super) fn log(&self) -> String {
        match self {
            Self::Postgres(postgres) => postgres.log(),
            Self::Pooled(postgres, pooler) => format!("{}{}", pooler.log(), postgres.log()),
            Self::Redis(redis) => redis.log(),
            Self::Website(_) => String::new(),
        }
    }

    pub(super) async fn suffer(&mut self, blow: Blow) {
        match blow {
            Blow::Freeze => server!(self, server => server.freeze()),
            Blow::Kill => server!(self, server => server.kill().await),
            Blow::Stop => server!(self, server => server.stop().await),
        }
    }

    pub(super) async fn recover(&mut self, blow: Blow) {
        match blow {
            Blow::Freeze => server!(self, server => server.thaw()),
            Blow::Kill | Blow::Stop => server!(self, server => server.restart_same_port().await),
        }
    }
}
