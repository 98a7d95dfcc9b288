//! Redis as the API uses it, apart from the checks of it.

mod client;

mod meters;

mod statistics;

pub use client::{Client, Unanswered};
pub use meters::Meters;
pub use statistics::{Hint, Source, Statistics};
