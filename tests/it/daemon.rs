//! The whole daemon in front of real servers.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

mod start;

mod gate;

mod refusal;

mod broken;

mod loss;

mod quiet;

mod stop;

mod reload;

mod schema;

mod manager;
