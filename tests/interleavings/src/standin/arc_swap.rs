//! A pointer that is replaced as a whole.

use crate::real::sync::{Arc, Mutex, PoisonError};

use loom::sync::atomic::{AtomicUsize, Ordering};

/// Promises what `arc_swap::ArcSwap` does and no more: who loads a value sees
/// everything that was done before it was stored.
#[derive(Debug)]
pub(crate) struct ArcSwap<T> {
    /// All that was ever stored. loom knows nothing of this lock, so it orders
    /// nothing.
    values: Mutex<Vec<Arc<T>>>,
    current: AtomicUsize,
}

impl<T> ArcSwap<T> {
    pub(crate) fn from_pointee(value: T) -> Self {
        Self {
            values: Mutex::new(vec![Arc::new(value)]),
            current: AtomicUsize::new(0),
        }
    }

    pub(crate) fn store(&self, value: Arc<T>) {
        let place = {
            let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            values.push(value);
            values.len() - 1
        };
        self.current.store(place, Ordering::Release);
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        let place = self.current.load(Ordering::Acquire);
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values[place].clone()
    }
}
