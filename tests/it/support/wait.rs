//! Waiting for conditions.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long anything here may take at most. It is no measure of speed: a
/// machine under load is slow, and only what never happens should fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Looks every 10 ms until `look` finds something.
///
/// # Panics
///
/// When `deadline` has passed.
pub(crate) async fn until<T>(
    what: impl Display,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            begin.elapsed() < deadline,
            "waited {deadline:?} in vain: {what}"
        );
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for a future that must not take for ever.
///
/// # Panics
///
/// When [`PATIENCE`] has ended.
pub(crate) async fn within<T>(what: impl Display, future: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain: {what}"))
}
