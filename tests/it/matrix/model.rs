//! What must come of every row, derived from the daemon's promises: fault and
//! kind make an effect, policy and effect make a status, a code and an open or
//! shut door, moment and policy make the order of events and the exit code.
//!
//! Nothing here asks the daemon, and nothing was recorded from one.

use budgetd::dependency::ErrorKind;

use super::axes::{Dependency, Fault, Moment, POLICIES, Policy};

/// What a fault makes of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// They fail, in one of these ways.
    Down(&'static [ErrorKind]),
    /// They pass; with a note that holds these words, if any.
    Up { note: Option<&'static str> },
    /// They fail and pass by turns, and fail in one of these ways.
    Flaps,
}

impl Effect {
    pub(super) fn may_time_out(self) -> bool {
        matches!(self, Self::Down(kinds) if kinds.contains(&ErrorKind::Timeout))
    }
}

/// Why a fault cannot befall a dependency.
pub(super) type Excluded = &'static str;

/// Fault and kind make an effect.
#[expect(clippy::match_same_arms, reason = "each arm is a rule of its own")]
pub(super) fn effect(dependency: Dependency, fault: Fault) -> Result<Effect, Excluded> {
    use Dependency::{Http, Pooled, Tcp};
    use ErrorKind as Kind;

    let down = |kinds| Ok(Effect::Down(kinds));
    let up = |note| Ok(Effect::Up { note });
    match (fault, dependency) {
        // An answer is what makes up; `tcp` has nothing to ask, and the kernel
        // accepts for whoever is silent.
        (Fault::Mute | Fault::Frozen, Tcp) => up(None),
        (Fault::Late | Fault::Trickle | Fault::Garbage | Fault::Cut, Tcp) => {
            Err("a tcp check asks nothing, so there is no answer to spoil")
        }
        (Fault::WrongPassword | Fault::UnknownDatabase, Tcp) => {
            Err("a tcp address has neither password nor database")
        }
        (Fault::Starting | Fault::Recovery | Fault::ReadOnly, Tcp) => {
            Err("a port knows no state: what accepts is up")
        }
        (Fault::Full, Tcp) => Err("a port that is full drops packets, which is a row of its own"),
        (Fault::WrongName | Fault::Expired | Fault::UnknownAuthority, Tcp) => {
            Err("a tcp check speaks no TLS")
        }
        (Fault::UnknownDatabase, Http) => Err("an http address names no database"),
        (Fault::Recovery | Fault::ReadOnly, Http) => {
            Err("http has no word for recovery or for being read-only")
        }

        // A pooler that lost its server either says so or lets clients wait.
        (Fault::Killed | Fault::Stopped | Fault::Starting, Pooled) => {
            down(&[Kind::NotReady, Kind::Timeout])
        }
        (Fault::Refused | Fault::Killed | Fault::Stopped, _) => down(&[Kind::Refused]),
        (Fault::Dropped | Fault::Mute | Fault::Frozen | Fault::Late | Fault::Trickle, _) => {
            down(&[Kind::Timeout])
        }
        (Fault::Garbage, _) => down(&[Kind::Protocol]),
        (Fault::Cut, _) => down(&[Kind::Closed]),
        // Whoever wants a key is there: 401 is accepted, with a note.
        (Fault::WrongPassword, Http) => up(Some("requires auth")),
        (Fault::WrongPassword, _) => down(&[Kind::Auth]),
        (Fault::UnknownDatabase, _) => down(&[Kind::Config]),
        (Fault::Starting | Fault::Recovery | Fault::Full, _) => down(&[Kind::NotReady]),
        (Fault::ReadOnly, Dependency::Redis) => up(None),
        (Fault::ReadOnly, _) => up(Some("read-only")),
        (Fault::WrongName | Fault::Expired | Fault::UnknownAuthority, _) => down(&[Kind::Tls]),
        (Fault::Unresolved, _) => down(&[Kind::Dns]),
        (Fault::OneAddressDead, _) => up(None),
        (Fault::Flapping, _) => Ok(Effect::Flaps),
    }
}

/// Whether a check may fail in this way, once a fault has struck.
pub(super) fn may_fail(dependency: Dependency, fault: Fault, kind: &str) -> bool {
    use ErrorKind as Kind;

    let lasting: &[Kind] = match effect(dependency, fault) {
        Ok(Effect::Down(kinds)) => kinds,
        // It is shut, or was just cut.
        Ok(Effect::Flaps) => &[Kind::Refused, Kind::Closed],
        Ok(Effect::Up { .. }) | Err(_) => &[],
    };
    // Whoever ends, or is cut off, may have let someone in just before.
    let passing: &[Kind] = match fault {
        Fault::Stopped => &[Kind::Closed, Kind::NotReady],
        Fault::Killed | Fault::Refused => &[Kind::Closed],
        _ => &[],
    };
    let mut kinds = lasting.iter().chain(passing);
    kinds.any(|known| known.as_str() == kind)
}

/// Every fault that a dependency cannot suffer, why, and how many rows that is.
pub(super) fn excluded() -> Vec<(Dependency, Fault, Excluded, usize)> {
    let rows = Moment::ALL.len() * POLICIES.len();
    let pairs = Dependency::ALL
        .into_iter()
        .flat_map(|dependency| Fault::ALL.map(|fault| (dependency, fault)));
    pairs
        .filter_map(|(dependency, fault)| {
            let reason = effect(dependency, fault).err()?;
            Some((dependency, fault, reason, rows))
        })
        .collect()
}

/// How far the daemon is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Serving,
    Draining,
}

/// What a request to the API meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// The kernel refuses the connection.
    Shut,
    /// It is answered.
    Open,
    /// 503 with `Retry-After`, at once.
    Unavailable,
}

/// What is seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) overall: &'static str,
    pub(super) code: u16,
    pub(super) door: Door,
}

/// Policy and status make the overall status, its code, and the door.
pub(super) fn sight(phase: Phase, policy: Policy, is_up: bool) -> Sight {
    let required_down = policy == Policy::Required && !is_up;
    let overall = match phase {
        Phase::Starting => "starting",
        Phase::Draining => "draining",
        Phase::Serving if required_down => "unavailable",
        Phase::Serving if is_up => "ok",
        Phase::Serving => "degraded",
    };
    let code = match overall {
        "ok" | "degraded" => 200,
        _ => 503,
    };
    let door = match phase {
        Phase::Starting => Door::Shut,
        _ if required_down => Door::Unavailable,
        _ => Door::Open,
    };
    Sight {
        overall,
        code,
        door,
    }
}

/// Whether a dependency that fails counts as up until it is down; `None` when it
/// does not stand between the two.
pub(super) fn fails_as_up(status: &str) -> Option<bool> {
    match status {
        "failing" => Some(true),
        "starting" => Some(false),
        _ => None,
    }
}

/// Whether a policy holds the gate shut.
pub(super) fn gates(policy: Policy) -> bool {
    matches!(policy, Policy::Required | Policy::Startup)
}

/// Whether an answer to a request that reads the budget is legal, while a fault
/// is there (`settled`: since it was noticed).
pub(super) fn may_answer(
    dependency: Dependency,
    policy: Policy,
    effect: Effect,
    settled: bool,
    code: u16,
) -> bool {
    let loses = !matches!(effect, Effect::Up { .. });
    // The budget is in the database; everything else it can do without, unless
    // the operator says that it cannot.
    let concerned = loses && (dependency.is_database() || policy == Policy::Required);
    match code {
        200 => !(concerned && settled && matches!(effect, Effect::Down(_))),
        503 => concerned,
        _ => false,
    }
}

/// What the log tells of a row, and how the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// Of the dependency; `None` while it flaps, where chance decides.
    pub(super) transitions: Option<&'static [&'static str]>,
    /// Once each, in this order.
    pub(super) events: Vec<&'static str>,
    pub(super) never: Vec<&'static str>,
    pub(super) exit: i32,
}

/// Moment, policy and effect make a story.
pub(super) fn story(moment: Moment, policy: Policy, effect: Effect) -> Story {
    const SERVED: [&str; 7] = [
        "application_startup_begin",
        "listener_opened",
        "application_startup_complete",
        "drain_begin",
        "listener_closed",
        "drain_complete",
        "application_shutdown_complete",
    ];

    let down = matches!(effect, Effect::Down(_));
    let never_up = moment == Moment::BeforeStart && down;
    if never_up && gates(policy) {
        return Story {
            transitions: Some(&["failing", "down"]),
            events: vec![
                "application_startup_begin",
                "application_failed",
                "application_shutdown_complete",
            ],
            never: vec!["listener_opened", "drain_begin"],
            exit: 69,
        };
    }
    let transitions: &[&str] = match (moment, down) {
        (Moment::BeforeStart, true) => &["failing", "down", "ready"],
        (Moment::ReloadedTo, _) => &["ready", "ready"],
        (Moment::Draining, true) => &["ready", "failing", "down"],
        (_, true) => &["ready", "failing", "down", "recovered"],
        (_, false) => &["ready"],
    };
    let mut events = SERVED.to_vec();
    let mut never = vec!["application_failed", "probe_restarted"];
    let reloads: &[&str] = match moment {
        Moment::ReloadedTo if down => &["config_reload_failed", "config_reloaded"],
        Moment::Reloading | Moment::ReloadedTo => &["config_reloaded"],
        _ => &[],
    };
    events.splice(3..3, reloads.iter().copied());
    if !(moment == Moment::ReloadedTo && down) {
        never.push("config_reload_failed");
    }
    if effect != Effect::Flaps {
        never.push("dependency_flapping");
    }
    Story {
        transitions: (effect != Effect::Flaps).then_some(transitions),
        events,
        never,
        exit: 0,
    }
}

/// The event of a transition: the three of the existing deployment keep their
/// names, others are called by what happened.
pub(super) fn event(dependency: Dependency, transition: &str, timed_out: bool) -> &'static str {
    let is_up = matches!(transition, "ready" | "recovered");
    match (dependency.name(), is_up) {
        ("database", true) => "database_health_check_success",
        ("database", false) if timed_out => "database_health_check_timeout",
        ("database", false) => "database_health_check_failed",
        ("cache", true) => "cache_initialization_success",
        ("cache", false) => "cache_disabled_or_unavailable",
        ("supabase_auth", true) => "supabase_auth_check_success",
        ("supabase_auth", false) => "supabase_auth_check_failed",
        _ => match transition {
            "ready" => "dependency_ready",
            "failing" => "dependency_failing",
            "down" => "dependency_down",
            "recovered" => "dependency_recovered",
            other => panic!("{other} is not expected of {dependency}"),
        },
    }
}
