//! A service orchestrator: it watches a graph of dependencies and opens its
//! API only when everything it needs is up.
//!
//! `ARCHITECTURE.md` draws the way data takes through these modules.

pub mod dependency;

pub mod config;

pub mod graph;

pub mod net;

pub mod probe;

pub mod health;

pub mod backoff;

pub mod supervisor;

pub mod gate;

pub mod store;

pub mod budget;

pub mod auth;

pub mod cache;

pub mod limits;

pub mod http;

pub mod api;

pub mod shutdown;

pub mod signals;

pub mod systemd;

pub mod telemetry;

pub mod exit;

pub mod daemon;

pub mod cli;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

#[cfg(test)]
mod simulation;
