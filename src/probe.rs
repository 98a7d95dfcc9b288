//! One attempt against one dependency, over the real protocol.
//!
//! A probe does one thing. It has no timers and tries nothing twice: whoever
//! calls it owns the deadline, and dropping a future abandons the attempt.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::config::{PostgresTarget, Target};
use crate::dependency::{Failure, Observation};

mod discreet;
mod driver;
mod habit;

pub mod postgres;

pub mod redis;

pub mod http;

pub mod tcp;

use discreet::Discreet;

/// The probe that checks what stands at `target`.
pub fn for_target(target: &Target) -> Arc<dyn Probe> {
    match target {
        Target::Postgres(inner) => discreet(target, postgres::PostgresProbe::new(inner.clone())),
        Target::Redis(inner) => discreet(target, redis::RedisProbe::new(inner.clone())),
        Target::Http(inner) => discreet(target, http::HttpProbe::new(inner.clone())),
        Target::Tcp(address) => discreet(target, tcp::TcpProbe::new(address.clone())),
    }
}

/// The probe of a Postgres server that must pass an examination, too.
pub fn examined(target: &PostgresTarget, examine: Arc<dyn postgres::Examine>) -> Arc<dyn Probe> {
    let probe = postgres::PostgresProbe::new(target.clone()).examined_by(examine);
    discreet(&Target::Postgres(target.clone()), probe)
}

fn discreet(target: &Target, probe: impl Probe) -> Arc<dyn Probe> {
    let target = Arc::new(target.clone());
    Arc::new(Discreet { target, probe })
}

/// A way to reach one dependency.
pub trait Probe: std::fmt::Debug + Send + Sync + 'static {
    /// Opens a session: transport, TLS, handshake and authentication.
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>>;
}

/// An open session with one dependency. Dropping it closes it.
pub trait Session: Send + 'static {
    /// Asks the dependency for an answer. Only an answer proves that it is up.
    /// A session of which a check was dropped half-way is of no more use.
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>>;

    /// Resolves when the peer has closed the session, and never for protocols
    /// that keep none open. It may be dropped and called again at will.
    fn lost(&mut self) -> BoxFuture<'_, ()>;
}
