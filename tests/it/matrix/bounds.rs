//! The settings of every daemon here, and how soon something must be true by
//! them.

use std::time::Duration;

use super::axes::{Dependency, Fault};
use super::model::Effect;

pub(super) const INTERVAL: Duration = Duration::from_millis(400);
const FAST_INTERVAL: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_millis(500);
/// For connecting, and for an answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);
const FALL: u32 = 3;
const RISE: u32 = 2;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Every daemon's settings that have to do with time.
pub(super) fn settings(effect: Effect) -> String {
    // What is up for moments only must be seen to be up in each of them.
    let rise = match effect {
        Effect::Flaps => 1,
        _ => RISE,
    };
    let words = |duration: Duration| humantime::format_duration(duration).to_string();
    format!(
        "[checks]\n\
         interval = {:?}\n\
         fast_interval = {:?}\n\
         max_backoff = {:?}\n\
         connect_timeout = {:?}\n\
         timeout = {:?}\n\
         fall = {FALL}\n\
         rise = {rise}\n\
         startup_deadline = \"never\"\n\
         [lifecycle]\n\
         drain_timeout = {:?}\n\
         [database]\n\
         pool_size = 4\n\
         pool_timeout = \"2s\"\n\
         statement_timeout = \"2s\"\n\
         [limits]\n\
         reads_per_minute = 1000000\n\
         [api]\n\
         request_timeout = {:?}\n",
        words(INTERVAL),
        words(FAST_INTERVAL),
        words(MAX_BACKOFF),
        words(TIMEOUT),
        words(TIMEOUT),
        words(DRAIN_TIMEOUT),
        words(REQUEST_TIMEOUT),
    )
}

/// What a machine with more to do than cores may add to any bound. It is no
/// part of what is promised, and the report shows the bounds without it.
pub(super) fn allowance() -> Duration {
    const LEAST: f64 = 8.0;
    /// How many that want to run on each core that is good for; with more of
    /// them it grows, up to this multiple.
    const GOOD_FOR: f64 = 6.0;
    const MOST: f64 = 4.0;

    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|text| text.parse().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = u32::try_from(cores).map_or(1.0, f64::from);
    let crowd: f64 = load.unwrap_or(0.0) / cores / GOOD_FOR;
    Duration::from_secs_f64((LEAST * crowd.clamp(1.0, MOST)).round())
}

/// The longest that a living server on this machine takes to be connected to
/// and to answer.
const PROMPT: Duration = Duration::from_millis(250);

/// How long up and down last each while flapping.
pub(super) const FLAP: Duration = Duration::from_millis(300);

/// How often something may leave `ok` within a minute before it flaps.
pub(super) const CALM: u32 = 6;

/// The longest that one check takes under a fault.
fn attempt(effect: Effect) -> Duration {
    if effect.may_time_out() {
        TIMEOUT
    } else {
        PROMPT
    }
}

/// From the fault to `error`: the next check comes an interval later at the
/// latest, and so many failures in a row follow each other fast.
pub(super) fn detection(effect: Effect) -> Duration {
    INTERVAL + (attempt(effect) + FAST_INTERVAL) * FALL
}

/// From the end of the fault to `ok`: the attempt under way, the pause after
/// it, and so many passes.
pub(super) fn recovery(effect: Effect, dependency: Dependency, fault: Fault) -> Duration {
    let own = attempt(effect) + MAX_BACKOFF + (PROMPT + FAST_INTERVAL) * RISE;
    // The pooler itself waits a second before it looks for its server again
    // (`server_login_retry`), and lets a client wait meanwhile.
    let behind = matches!(
        fault,
        Fault::Frozen | Fault::Killed | Fault::Stopped | Fault::Starting
    );
    if dependency == Dependency::Pooled && behind {
        own + Duration::from_secs(1) + TIMEOUT + MAX_BACKOFF
    } else {
        own
    }
}

/// From the fault to the first summary: one time more than is still calm.
pub(super) fn flapping() -> Duration {
    FLAP * 2 * (CALM + 2)
}

/// The start deadline of what is never up, and that of a reload: long enough to
/// be seen as down before.
pub(super) fn deadline(effect: Effect) -> Duration {
    detection(effect) + allowance() / 2
}

/// How long a daemon that drains goes on serving: long enough to see the fault.
pub(super) fn drain_delay(effect: Effect) -> Duration {
    match effect {
        Effect::Down(_) => detection(effect) + allowance(),
        Effect::Up { .. } => (INTERVAL + TIMEOUT) * 3 + allowance() / 2,
        Effect::Flaps => flapping() + allowance() * 2,
    }
}

/// From a signal, or a deadline, to the end of the process, besides the drain
/// delay: requests in flight, and ten seconds to close everything.
pub(super) fn exit() -> Duration {
    DRAIN_TIMEOUT + Duration::from_secs(10)
}

/// The longest that a request may take, whatever happens.
pub(super) fn request() -> Duration {
    REQUEST_TIMEOUT + PROMPT
}

/// The longest that anything takes in which nobody is waited for: the gate's
/// opening once all is up, a reload, a start.
pub(super) fn at_once() -> Duration {
    Duration::from_secs(1)
}
