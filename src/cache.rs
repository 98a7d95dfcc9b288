//! Redis as the API uses it, apart from the checks of it.

mod read_through;

mod key;

mod flights;

mod memory;

mod envelope;

mod seats;

mod client;

mod statistics;

mod meters;

pub use client::{Client, Unanswered};
pub use key::Key;
pub use meters::Meters;
pub use read_through::{Computed, Found, Outcome, ReadError, ReadMeters, ReadThrough};
pub use statistics::{Hint, Source, Statistics};
