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
local function at(index)
  return tonumber(redis.call('LINDEX', KEYS[1], index))
end
local oldest = at(0)
while oldest and math.abs(now - oldest) >= length do
  redis.call('LPOP', KEYS[1])
  oldest = at(0)
end
now = math.max(now, at(-1) or now)
local allowed, counted = 0, redis.call('LLEN', KEYS[1])
if counted < limit then
  redis.call('RPUSH', KEYS[1], now)
  redis.call('PEXPIRE', KEYS[1], length)
  allowed, counted = 1, counted + 1
end
local function until_over(index)
  return (at(index) or now - length) + length - now
end
local wait = 0
if counted >= limit then
  wait = until_over(counted - limit)
end
return {allowed, counted, until_over(0), wait}
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
        let answer = cache.script::<(u8, u32, u64, u64)>(&call).await;
        let (allowed, counted, until_forgotten, until_allowed) = answer.ok()?;
        Some(Reading {
            allowed: allowed == 1,
            counted,
            until_forgotten: Duration::from_millis(until_forgotten),
            until_allowed: Duration::from_millis(until_allowed),
        })
    }
}
