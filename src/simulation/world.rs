//! The world around the core: virtual time, and a queue of what happens in it.
//!
//! It stands where the supervisor's loop, the monitors and the daemon's task
//! stand. What those decide is decided by the same code; what is simulated
//! here is the outside, and how long messages take.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::daemon::{self, Daemon};
use super::history::{self, History, Op};
use super::ledger::Ledger;
use super::monitors::{Monitors, Servers};
use super::settling;
use super::tally::Tally;
use super::wrong::Wrong;
use super::{invariants, leave};
use crate::dependency::Name;
use crate::health::{self, Reader, Writer};
use crate::supervisor::inside::{Core, Input, NodeId, Now, Report, Turns};

mod outside;
mod supervisor;

/// More turns than this in one instant are a loop without end.
const TURNS_IN_AN_INSTANT: usize = 20_000;

pub(super) struct World<'a> {
    history: &'a History,
    rng: SmallRng,
    pub(super) began: Instant,
    pub(super) now: Instant,
    clock_set_by: i64,
    queue: BTreeMap<(Instant, u64), Event>,
    queued: u64,
    alarm: Option<(Instant, u64)>,
    turns: Turns,
    turns_in_this_instant: usize,
    pub(super) core: Core,
    writer: Writer,
    pub(super) reader: Reader,
    pub(super) monitors: Monitors,
    servers: Servers,
    reports: VecDeque<(NodeId, u32, Report)>,
    commands: VecDeque<Input>,
    pub(super) daemon: Daemon,
    daemon_is_called: bool,
    supervisor_runs: bool,
    ledger: Ledger,
    gating_was_up: bool,
    timeline_seen: u64,
    /// Since when there are no more faults, and by when everything is up.
    calm: Option<(Instant, Instant)>,
    pub(super) over: bool,
    pub(super) tally: Tally,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Op(usize),
    /// A check ends.
    Answer(NodeId, u32),
    /// A report reaches the supervisor.
    Mail,
    /// The end of a broken monitor is noticed.
    Ended(NodeId, u32),
    /// The supervisor's timer.
    Alarm,
    /// A command reaches the supervisor.
    Command,
    /// The daemon's task turns.
    Daemon,
    /// Requests have ended.
    Close,
    /// No more faults.
    Calm,
    /// By now everything has settled.
    Settled,
    /// By now the process has ended.
    Gone,
}

/// Runs a history to its end; an error is what did not hold, and when.
pub(super) fn run(history: &History) -> Result<Tally, Wrong> {
    let mut world = World::new(history);
    match world.live() {
        Ok(()) => Ok(world.tally),
        Err(wrong) => Err(wrong.after(world.now - world.began)),
    }
}

impl<'a> World<'a> {
    fn new(history: &'a History) -> Self {
        let now = Instant::now();
        let (dependencies, graph) = history::plan(&history.parts).expect("a legal graph");
        let at = Now {
            instant: now,
            wall: Timestamp::UNIX_EPOCH,
        };
        let mut core = Core::new(dependencies, &graph, history.seed, at);
        let first = core.snapshot().expect("the first one");
        let gating_was_up = invariants::gating_up(&first.dependencies);
        let (writer, reader) = health::channel(first, |_| Bytes::new());
        let ledger = Ledger::new(&core, now);
        let mut world = Self {
            history,
            rng: SmallRng::seed_from_u64(history.seed),
            began: now,
            now,
            clock_set_by: 0,
            queue: BTreeMap::new(),
            queued: 0,
            alarm: None,
            turns: Turns::begin(now),
            turns_in_this_instant: 0,
            core,
            writer,
            reader,
            monitors: Monitors::new(),
            servers: Servers::default(),
            reports: VecDeque::new(),
            commands: VecDeque::new(),
            daemon: Daemon::new(history),
            daemon_is_called: false,
            supervisor_runs: true,
            ledger,
            gating_was_up,
            timeline_seen: 0,
            calm: None,
            over: false,
            tally: Tally::of(history),
        };
        for (number, op) in history.ops.iter().enumerate() {
            world.at(now + op.at, Event::Op(number));
        }
        let last = history.ops.last().map_or(Duration::ZERO, |op| op.at);
        world.at(now + last + Duration::from_millis(1), Event::Calm);
        world
    }

    fn live(&mut self) -> Result<(), Wrong> {
        self.turn(Input::Wake)?;
        self.call_daemon();
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if at > self.now {
                self.now = at;
                self.turns_in_this_instant = 0;
            }
            self.turns_in_this_instant += 1;
            if self.turns_in_this_instant > TURNS_IN_AN_INSTANT {
                return Err(Wrong::from("it turns without end".to_owned()));
            }
            self.tally.events += 1;
            self.happen(event)?;
            if self.over {
                return Ok(());
            }
        }
        Err(Wrong::from("nothing will ever happen any more".to_owned()))
    }

    fn at(&mut self, at: Instant, event: Event) -> (Instant, u64) {
        self.queued += 1;
        let key = (at.max(self.now), self.queued);
        self.queue.insert(key, event);
        key
    }

    /// Messages take no time, or a moment.
    fn soon(&mut self, event: Event) {
        let delay = if self.rng.random_bool(0.7) {
            0
        } else {
            self.rng.random_range(1..2_000)
        };
        self.at(self.now + Duration::from_micros(delay), event);
    }

    fn happen(&mut self, event: Event) -> Result<(), Wrong> {
        match event {
            Event::Op(number) => {
                let Op { act, .. } = &self.history.ops[number];
                self.befall(act);
            }
            Event::Answer(node, generation) => self.answer(node, generation)?,
            Event::Mail | Event::Alarm if self.supervisor_runs => {
                // Reports come first.
                let input = self.next_report().unwrap_or(Input::Wake);
                self.turn(input)?;
            }
            Event::Ended(node, generation) if self.supervisor_runs => {
                let reason = "simulated".to_owned();
                self.turn(Input::MonitorEnded {
                    node,
                    generation,
                    reason,
                })?;
            }
            Event::Command if self.supervisor_runs => {
                if let Some(input) = self.commands.pop_front() {
                    self.turn(input)?;
                }
            }
            Event::Mail | Event::Alarm | Event::Ended(..) | Event::Command => {}
            Event::Daemon => self.daemon_turns(),
            Event::Close => {
                leave::close_sessions(self)?;
                self.daemon.stopped();
                self.over = true;
            }
            Event::Calm => self.calm_down(),
            Event::Settled => settling::is_settled(self)?,
            Event::Gone => {
                let what = "it did not end within its bound";
                return Err(Wrong::from(what.to_owned()));
            }
        }
        invariants::of_phase(&self.daemon, self.gating_was_up)?;
        self.go_home();
        Ok(())
    }

    fn next_report(&mut self) -> Option<Input> {
        let (node, generation, report) = self.reports.pop_front()?;
        Some(Input::Report {
            node,
            generation,
            report,
        })
    }

    fn wall(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.now - self.began).unwrap_or_default();
        let set = SignedDuration::from_secs(self.clock_set_by + 1_000_000);
        Timestamp::UNIX_EPOCH
            .saturating_add(passed + set)
            .unwrap_or_default()
    }

    pub(super) fn spent(&self, name: &str) -> Option<(Duration, Option<Duration>)> {
        self.ledger.spent(name, &self.core)
    }

    pub(super) fn restarted(&self, name: &Name) -> usize {
        self.ledger.restarted(name)
    }

    /// Its task turns later than what it looks at, or at once.
    fn call_daemon(&mut self) {
        if self.daemon.lag.is_zero() && self.rng.random_bool(0.8) {
            self.daemon_turns();
        } else if !std::mem::replace(&mut self.daemon_is_called, true) {
            self.at(self.now + self.daemon.lag, Event::Daemon);
        }
    }

    fn daemon_turns(&mut self) {
        self.daemon_is_called = false;
        let published = self.reader.current();
        for act in self.daemon.turn(&published, self.now) {
            self.follow(act);
        }
    }

    fn follow(&mut self, act: daemon::Act) {
        match act {
            daemon::Act::Opened => self.tally.gates += 1,
            daemon::Act::Tell(input) => {
                self.commands.push_back(input);
                self.at(self.now + self.daemon.lag, Event::Command);
            }
            daemon::Act::Leave(leaving) => {
                self.at(leaving.requests_end, Event::Close);
                self.at(leaving.bound, Event::Gone);
                self.tally.stops += 1;
            }
            daemon::Act::Die => {
                self.tally.second_signals += 1;
                self.over = true;
            }
        }
    }
}
