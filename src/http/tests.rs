//! The front over real loopback sockets, driven by raw bytes.
//!
//! Waiting is always for an answer or a close; where a deadline itself is the
//! subject it is configured in milliseconds, and the assertion is about order,
//! not about time. Deadlines that are long are tested on paused time in
//! `connection`.

pub(crate) mod support;

mod admin;
mod api;
mod drain;
mod limits;
mod ready;
mod records;
