//! What all clients together can make the process hold.
//!
//! A limit of each request alone says nothing about thousands of them that
//! never end. So what is beyond a small free part of each comes out of a pool,
//! and whoever finds it empty is told to come back. Small requests never do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What every head and every body may take without a look at the others, in
/// bytes: as much as hyper reserves for a connection anyway.
pub(super) const FREE: usize = 8 * 1024;

/// What heads beyond that may take in all, in bytes.
pub(super) const HEADS: usize = 16 * 1024 * 1024;

/// Bodies beyond that may take as much as this many of the largest.
pub(super) const LARGEST_BODIES: usize = 2;

/// Bytes that are taken by all shares.
#[derive(Debug, Default)]
pub(super) struct Pool {
    taken: AtomicUsize,
}

impl Pool {
    /// A share of nothing yet, that grows as long as all of them together
    /// have at most `most` bytes.
    pub(super) fn share(self: &Arc<Self>, most: usize) -> Share {
        Share {
            pool: self.clone(),
            most,
            held: AtomicUsize::new(0),
        }
    }

    fn take(&self, bytes: usize, most: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|sum| *sum <= most);
        self.taken.fetch_update(Relaxed, Relaxed, more).is_ok()
    }
}

/// What one request holds. Dropping it gives everything back.
#[derive(Debug)]
pub(super) struct Share {
    pool: Arc<Pool>,
    most: usize,
    /// The free part included.
    held: AtomicUsize,
}

impl Share {
    /// Whether there is room for so many bytes more.
    pub(super) fn grow(&self, bytes: usize) -> bool {
        let held = self.held.load(Relaxed);
        let grown = held.saturating_add(bytes);
        let beyond = beyond(grown) - beyond(held);
        let fits = beyond == 0 || self.pool.take(beyond, self.most);
        if fits {
            self.held.store(grown, Relaxed);
        }
        fits
    }

    /// Begins anew.
    pub(super) fn release(&self) {
        let beyond = beyond(self.held.swap(0, Relaxed));
        if beyond > 0 {
            self.pool.taken.fetch_sub(beyond, Relaxed);
        }
    }
}

/// A pool of its own, which is never empty.
#[cfg(any(test, fuzzing))]
impl Default for Share {
    fn default() -> Self {
        Arc::<Pool>::default().share(usize::MAX)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

fn beyond(held: usize) -> usize {
    held.saturating_sub(FREE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_never_asks_the_pool() {
        let pool = Arc::new(Pool::default());
        let shares: Vec<_> = (0..100).map(|_| pool.share(0)).collect();
        for share in &shares {
            assert!(share.grow(FREE / 2) && share.grow(FREE / 2));
            assert!(!share.grow(1));
        }
    }

    #[test]
    fn the_pool_is_for_all_and_comes_back() {
        let pool = Arc::new(Pool::default());
        let (one, other) = (pool.share(100), pool.share(100));
        assert!(one.grow(FREE + 60));
        assert!(!other.grow(FREE + 41), "refused as a whole");
        assert!(other.grow(FREE + 40) && !other.grow(1) && !one.grow(1));
        one.release();
        assert!(other.grow(60) && !other.grow(1));
        drop(other);
        assert!(one.grow(FREE + 100) && !one.grow(1));
        assert!(!one.grow(usize::MAX));
        drop(one);
        assert_eq!(pool.taken.load(Relaxed), 0);
    }
}
