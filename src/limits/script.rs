//! The same window in Redis, where one script counts for all instances.

use std::time::Duration;

use redis::Script;

use super::window::Reading;
use crate::cache::Client;

/// What [`super::window::Window::take`] does, on the clock of the server. A
/// test holds them together.
const TAKE: &str = "
local limit, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('HMGET', KEYS[1], 'start', 'previous', 'current')
local start = tonumber(kept[1]) or now
local previous, current = tonumber(kept[2]) or 0, tonumber(kept[3]) or 0
local age = math.max(now - start, 0)
if age >= 2 * length then
  start, previous, current = now, 0, 0
elseif age >= length then
  start, previous, current = start + length, current, 0
end
local elapsed = math.max(now - start, 0)
local room = limit * length - previous * math.max(length - elapsed, 0) - current * length
local allowed = 0
if room >= length then
  allowed, current = 1, current + 1
  redis.call('HSET', KEYS[1], 'start', start, 'previous', previous, 'current', current)
  redis.call('PEXPIRE', KEYS[1], 2 * length)
end
return {allowed, previous, current, elapsed}
";

#[derive(Debug)]
pub(super) struct Counter {
    script: Script,
}

impl Counter {
    pub(super) fn new() -> Self {
        Self {
            script: Script::new(TAKE),
        }
    }

    /// Counts a request under `key`; `None` when Redis did not.
    pub(super) async fn take(
        &self,
        cache: &Client,
        key: &str,
        limit: u32,
        length: Duration,
    ) -> Option<Reading> {
        let mut call = self.script.key(key);
        call.arg(limit).arg(length.as_millis().to_string());
        let answer = cache.script::<(u8, u32, u32, u64)>(&call).await;
        let (allowed, previous, current, elapsed) = answer.ok()?;
        Some(Reading {
            allowed: allowed == 1,
            limit,
            previous,
            current,
            elapsed: Duration::from_millis(elapsed),
            length,
        })
    }
}
