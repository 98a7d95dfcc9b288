//! Redis as the API uses it, apart from the checks of it.

mod statistics;

pub use statistics::{Hint, Source, Statistics};
