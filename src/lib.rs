//! A service orchestrator: it watches a graph of dependencies and opens its
//! API only when everything it needs is up.
//!
//! `ARCHITECTURE.md` draws the way data takes through these modules. Those
//! without the feature `daemon` are the heart and what it stands on: they
//! compile, and are tested, without all the others.

pub mod dependency;

pub mod config;

pub mod graph;

pub mod net;

pub mod probe;

pub mod health;

pub mod backoff;

pub mod supervisor;

pub mod gate;

#[cfg(feature = "daemon")]
pub mod store;

#[cfg(feature = "daemon")]
pub mod budget;

#[cfg(feature = "daemon")]
pub mod auth;

#[cfg(feature = "daemon")]
pub mod cache;

#[cfg(feature = "daemon")]
pub mod limits;

#[cfg(feature = "daemon")]
pub mod http;

#[cfg(feature = "daemon")]
pub mod api;

pub mod shutdown;

pub mod signals;

#[cfg(feature = "daemon")]
pub mod systemd;

pub mod telemetry;

#[cfg(feature = "daemon")]
pub mod exit;

#[cfg(feature = "daemon")]
pub mod daemon;

#[cfg(feature = "daemon")]
pub mod cli;

#[cfg(all(feature = "daemon", any(test, fuzzing)))]
pub mod fuzzing;

#[cfg(test)]
mod simulation;
