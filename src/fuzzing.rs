//! What strangers' bytes are thrown at, a function for each edge.
//!
//! Each takes any bytes, panics when something that must always hold does not,
//! and says whether the bytes were taken. `fuzz/` drives them with what a
//! fuzzer makes up (`etc/fuzz`); the tests here replay what it has found worth
//! keeping, so that every machine goes that way again. Neither is a part of
//! the daemon.

pub use crate::auth::fuzzing::{key_set, token};
pub use crate::budget::fuzzing::{csv, json};
pub use crate::config::fuzzing::{configuration, url, variables};
pub use crate::http::fuzzing::{front, readiness};

#[cfg(test)]
mod tests;
