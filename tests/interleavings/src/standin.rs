//! What the files under test know as `std`, `tokio` and `arc_swap`.

pub(crate) mod arc_swap;

pub(crate) mod sync;

pub(crate) mod task;

/// Time plays no part in any model.
pub(crate) mod time {
    pub(crate) use crate::real::time::{Duration, Instant};
}
