//! The HTTP front: two listeners, the health documents, and the door behind
//! which the API lives.
//!
//! The way of a request: `server` accepts and seats a connection,
//! `connection` drives hyper under the deadlines of an idle client, a slow
//! header and a stalled write, `wire` does without hyper while a client rests, `service` answers health at once and hands
//! everything else to a router under a body limit and a deadline.
//!
//! Nothing here asks a dependency anything: health is read from the snapshot,
//! and what the routes need arrives as values and closures.

pub mod listener;

pub mod file_limit;

mod admission;

mod roster;

mod framing;

mod server;

mod connection;

mod wire;

mod memory;

mod activity;

mod transport;

mod service;

mod front;

pub mod correlation;

pub mod client;

pub mod body;

pub mod error;

mod exchange;

pub mod health;

pub mod readiness;

mod cors;

mod api;

mod admin;

pub mod metrics;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

#[cfg(test)]
mod tests;

pub use admin::{AdminActions, CheckNow};
pub use api::openapi;
pub use front::{Context, Front, Settings};
pub use listener::{AdminListener, BoundListener, ListenError};
pub use server::{CutRequest, Outcome, Stop, serve};
