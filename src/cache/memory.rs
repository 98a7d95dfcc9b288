//! The tier inside the process: the same values under the same keys, without
//! asking anybody.

#![allow(
    clippy::disallowed_types,
    reason = "the crate's own clock decides what to forget, and nothing else"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::Expiry;
use moka::sync::Cache;

use super::Key;

/// What an entry weighs beside its key and body, in bytes.
const OVERHEAD: usize = 128;

#[derive(Debug, Clone)]
struct Entry {
    body: Bytes,
    ttl: Duration,
}

#[derive(Debug)]
pub(super) struct Memory {
    entries: Cache<Key, Entry>,
}

impl Memory {
    /// Keeps up to `capacity` bytes.
    pub(super) fn new(capacity: usize) -> Self {
        let entries = Cache::builder()
            .max_capacity(capacity as u64)
            .weigher(|key: &Key, entry: &Entry| {
                let weight = key.as_str().len() + entry.body.len() + OVERHEAD;
                u32::try_from(weight).unwrap_or(u32::MAX)
            })
            .expire_after(OwnTime)
            .build();
        Self { entries }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        self.entries.get(key).map(|entry| entry.body)
    }

    pub(super) fn put(&self, key: Key, body: Bytes, ttl: Duration) {
        self.entries.insert(key, Entry { body, ttl });
    }
}

/// Every entry has a time of its own.
struct OwnTime;

impl Expiry<Key, Entry> for OwnTime {
    fn expire_after_create(&self, _: &Key, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key::new("summary", number, "a")
    }

    #[test]
    fn it_keeps_no_more_than_it_may() {
        let memory = Memory::new(1 << 20);
        for number in 0..200 {
            memory.put(key(number), vec![0; 10_000].into(), Duration::from_hours(1));
        }
        memory.entries.run_pending_tasks();
        let kept = (0..200).filter(|number| memory.get(&key(*number)).is_some());
        let kept = kept.count();
        assert!((50..=104).contains(&kept), "{kept}");
        assert!(memory.entries.weighted_size() <= 1 << 20);
    }

    #[test]
    fn it_keeps_nothing_for_longer_than_its_time() {
        let memory = Memory::new(1 << 20);
        memory.put(key(1), Bytes::from("{}"), Duration::ZERO);
        memory.put(key(2), Bytes::from("{}"), Duration::from_hours(1));
        assert_eq!(memory.get(&key(1)), None);
        assert_eq!(memory.get(&key(2)).unwrap(), "{}");
    }
}
