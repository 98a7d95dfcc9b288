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
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use super::daemon::{self, Daemon};
use super::history::{self, Act, History, Mode, Op};
use super::ledger::Ledger;
use super::monitors::{Monitor, Monitors, Servers};
use super::settling;
use super::tally::Tally;
use super::wrong::Wrong;
use super::{invariants, leave};
use crate::config::{Address, Target};
use crate::dependency::{ErrorKind, Name};
use crate::health::{self, Reader, Writer};
use crate::supervisor::inside::{Core, Input, Line, NodeId, Now, Output, Report, Turns};

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

    /// One turn of the supervisor's loop.
    fn turn(&mut self, input: Input) -> Result<(), Wrong> {
        if let Some(gap) = self.turns.turn(self.now) {
            self.tally.gaps += 1;
            self.decide(Input::ClockGap(gap.lost))?;
        }
        self.decide(input)?;
        while self.supervisor_runs {
            let Some(input) = self.next_report() else {
                break;
            };
            self.decide(input)?;
        }
        self.publish()?;
        if let Some(before) = self.alarm.take() {
            self.queue.remove(&before);
        }
        if self.supervisor_runs {
            let due = self.turns.due();
            let wake = self.core.wakes_at().map_or(due, |at| at.min(due));
            self.alarm = Some(self.at(wake, Event::Alarm));
        }
        Ok(())
    }

    fn publish(&mut self) -> Result<(), Wrong> {
        if let Some(snapshot) = self.core.snapshot() {
            let before = self.reader.current().snapshot.sequence;
            if snapshot.sequence != before + 1 {
                let what = format!("{} follows {before}", snapshot.sequence);
                return Err(Wrong::from(what));
            }
            if invariants::gating_up(&snapshot.dependencies) {
                self.gating_was_up = true;
                self.ledger.gate_opens();
            }
            invariants::of_roll(&snapshot.dependencies)?;
            self.writer.publish(snapshot);
            self.call_daemon();
        }
        let published = self.reader.current();
        invariants::of_readiness(&self.core, &published, self.daemon.phase.get())?;
        let timeline = &published.snapshot.timeline;
        invariants::of_timeline(timeline, self.timeline_seen, self.ledger.transitions())?;
        self.timeline_seen = timeline.happened();
        Ok(())
    }

    fn decide(&mut self, input: Input) -> Result<(), Wrong> {
        let now = Now {
            instant: self.now,
            wall: self.wall(),
        };
        let monitors = &self.monitors;
        let generation = |node| {
            monitors
                .get(&node)
                .map(|monitor: &Monitor| monitor.generation)
        };
        let told = self.ledger.read(&input, generation);
        let reloads = matches!(input, Input::Reload { .. });
        let twin = (reloads || self.core.staged.is_some()).then(|| {
            let input = if reloads { Input::Wake } else { input.clone() };
            (self.core.clone(), input)
        });
        let outputs = self.core.handle(input, now);
        self.ledger.compare(&self.core, told, &outputs, self.now)?;
        self.was_to_blame(&outputs)?;
        for output in &outputs {
            self.carry_out(output)?;
        }
        if let Some((twin, input)) = twin {
            self.compare_with_twin(twin, input, now, &outputs)?;
        }
        invariants::of_running_reload(&self.core, self.now)?;
        if self.supervisor_runs {
            invariants::of_work(&self.core)?;
            invariants::of_monitors(&self.core, &self.monitors)?;
        }
        Ok(())
    }

    /// A reload that ended made nothing worse: one that never was would have
    /// left readiness no better.
    fn compare_with_twin(
        &mut self,
        mut twin: Core,
        input: Input,
        now: Now,
        outputs: &[Output],
    ) -> Result<(), String> {
        let outcome = outputs.iter().find_map(|output| match output {
            Output::Reloaded(outcome) => Some(outcome),
            _ => None,
        });
        let Some(outcome) = outcome else {
            return Ok(());
        };
        twin.abandon_reload(String::new());
        twin.handle(input, now);
        if invariants::required_up(&twin) && !invariants::required_up(&self.core) {
            return Err("a reload made readiness dip".to_owned());
        }
        if outcome.is_err() && twin.live != self.core.live {
            return Err("a reload that failed changed the graph".to_owned());
        }
        invariants::of_ended_reload(&self.core)?;
        invariants::of_edges(&self.core)
    }

    /// Only a monitor that broke or fell silent is replaced.
    fn was_to_blame(&self, outputs: &[Output]) -> Result<(), String> {
        for output in outputs {
            let Output::Tell(Line::ProbeRestarted { dependency, .. }) = output else {
                continue;
            };
            let broken = |id: &NodeId| {
                let monitor = self.monitors.get(id);
                monitor.is_some_and(|monitor| monitor.wedged || monitor.ended)
            };
            let mut live = self.core.live.iter();
            if !live.any(|id| self.core.nodes[id].name() == dependency && broken(id)) {
                return Err(format!("{dependency}: a sound monitor is replaced"));
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, output: &Output) -> Result<(), String> {
        match output {
            Output::Spawn {
                node,
                generation,
                name,
                target,
            } => {
                let Target::Tcp(Address::Tcp { port, .. }) = target else {
                    return Err(format!("{name}: a monitor of nothing"));
                };
                let number = name.as_str()[1..].parse().unwrap_or_default();
                let monitor = Monitor::new(number, *port, *generation);
                if self.monitors.insert(*node, monitor).is_some() {
                    return Err(format!("{name}: a second monitor"));
                }
            }
            Output::Check { node, order } => {
                let Some(monitor) = self.monitors.get_mut(node) else {
                    return Err(format!("{node:?}: a check without a monitor"));
                };
                if monitor.check.is_some() {
                    return Err(format!("d{}: is checked twice at once", monitor.number));
                }
                self.tally.checks += 1;
                if monitor.ended {
                    return Ok(());
                }
                monitor.begin(*order, self.servers.mode(monitor.port), self.now);
                let ends = monitor.check.as_ref().map(|check| check.ends_at);
                let event = Event::Answer(*node, monitor.generation);
                if let Some(ends) = ends.filter(|_| !monitor.wedged) {
                    self.at(ends, event);
                }
            }
            Output::Retire(node) => {
                // One that broke is retired again when its node goes.
                self.monitors.remove(node);
            }
            Output::Reloaded(outcome) => {
                self.daemon.reload_ended();
                self.call_daemon();
                self.tally.reloaded(outcome.is_ok());
            }
            Output::Fatal(fatal) => {
                settling::is_justified(self, fatal)?;
                self.tally.fatals += 1;
                if self.supervisor_runs {
                    self.supervisor_runs = false;
                    self.daemon.supervisor_ended();
                    self.call_daemon();
                }
            }
            Output::Tell(line) => self.tally.tell(line),
            Output::Count(..) => {}
        }
        Ok(())
    }

    /// A monitor's check is over.
    fn answer(&mut self, node: NodeId, generation: u32) -> Result<(), Wrong> {
        let now = self.now;
        let Some(monitor) = self.monitors.get_mut(&node) else {
            return Ok(());
        };
        let due = monitor
            .check
            .as_ref()
            .is_some_and(|check| check.ends_at <= now);
        if monitor.generation != generation || monitor.wedged || !due {
            return Ok(());
        }
        if let Some(checked) = monitor.end(now) {
            let report = Report::Checked(checked);
            self.reports.push_back((node, generation, report));
            if self.rng.random_bool(0.2) {
                self.soon(Event::Mail);
            } else {
                return self.happen(Event::Mail);
            }
        }
        Ok(())
    }

    fn mail(&mut self, node: NodeId, generation: u32, report: Report) {
        self.reports.push_back((node, generation, report));
        self.soon(Event::Mail);
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

    /// Something happens from outside.
    fn befall(&mut self, act: &Act) {
        match act {
            Act::Serve(port, mode) => self.servers.set(*port, *mode),
            Act::Kill(port) => {
                self.servers.set(*port, Mode::Fails(ErrorKind::Refused));
                self.break_sessions(*port, true);
            }
            Act::Cut(port) => self.break_sessions(*port, false),
            Act::Panic(number) => {
                let victims = self.monitors_of(*number);
                for (node, generation) in victims {
                    if let Some(monitor) = self.monitors.get_mut(&node) {
                        monitor.ended = true;
                        monitor.check = None;
                    }
                    self.soon(Event::Ended(node, generation));
                }
            }
            Act::Wedge(number) => {
                for (node, _) in self.monitors_of(*number) {
                    if let Some(monitor) = self.monitors.get_mut(&node) {
                        monitor.wedged = true;
                    }
                }
            }
            Act::Look(number, urgency) => {
                self.commands.push_back(Input::Look {
                    name: number.map(history::name),
                    urgency: *urgency,
                });
                self.soon(Event::Command);
            }
            Act::Hangup(changes) => {
                self.daemon.hangup(changes);
                self.call_daemon();
            }
            Act::Stop(signal) => match self.daemon.stop(*signal) {
                Some(act) => self.follow(act),
                None => self.call_daemon(),
            },
            Act::Freeze(time) => self.freeze(*time),
            Act::SetClock(by) => self.clock_set_by += by,
            Act::Dawdle(lag) => self.daemon.lag = *lag,
            Act::Request(takes) => self.daemon.request(self.now + *takes),
        }
    }

    fn monitors_of(&self, number: usize) -> Vec<(NodeId, u32)> {
        self.monitors
            .iter()
            .filter(|(_, monitor)| monitor.number == number && !monitor.ended)
            .map(|(node, monitor)| (*node, monitor.generation))
            .collect()
    }

    fn break_sessions(&mut self, port: u16, dies: bool) {
        let at_port = |monitor: &Monitor| monitor.port == port && !monitor.wedged;
        let nodes: Vec<NodeId> = self
            .monitors
            .iter()
            .filter(|(_, monitor)| at_port(monitor) && !monitor.ended)
            .map(|(node, _)| *node)
            .collect();
        for node in nodes {
            let now = self.now;
            let Some(monitor) = self.monitors.get_mut(&node) else {
                continue;
            };
            let generation = monitor.generation;
            if monitor.check.is_some() {
                if dies {
                    monitor.break_off(now);
                    self.at(now, Event::Answer(node, generation));
                }
            } else if std::mem::take(&mut monitor.has_session) {
                self.mail(node, generation, Report::SessionLost);
            }
        }
    }

    /// Nobody acts for a while. Then everything is due at once, in any order.
    fn freeze(&mut self, time: Duration) {
        self.now += time;
        let mut due = Vec::new();
        for ((at, number), event) in std::mem::take(&mut self.queue) {
            // What comes from outside comes later, and bounds are kept by a
            // process that runs.
            if matches!(event, Event::Op(_) | Event::Calm | Event::Gone) {
                self.queue.insert((at + time, number), event);
            } else if at > self.now {
                self.queue.insert((at, number), event);
            } else {
                due.push(event);
            }
        }
        due.shuffle(&mut self.rng);
        self.daemon.postpone(time);
        self.alarm = self.alarm.filter(|alarm| self.queue.contains_key(alarm));
        for event in due {
            // Bounds are kept by a process that runs.
            let key = self.at(self.now, event);
            if matches!(event, Event::Alarm) {
                self.alarm = Some(key);
            }
        }
    }

    fn calm_down(&mut self) {
        let sleeps = |event: &Event| matches!(event, Event::Daemon | Event::Command);
        let mut queue = self.queue.iter().rev();
        let wakes = queue.find_map(|((at, _), event)| sleeps(event).then_some(*at));
        let bound = wakes.unwrap_or(self.now) + settling::bound(&self.core, &self.daemon);
        self.calm = Some((self.now, bound));
        self.servers.all_up();
        self.daemon.lag = Duration::ZERO;
        self.at(bound, Event::Settled);
    }

    /// Once everything is as it should be, it is time to stop.
    fn go_home(&mut self) {
        let Some((calm, bound)) = self.calm else {
            return;
        };
        if self.daemon.leaving.is_none() && settling::is_quiet(self) {
            self.calm = None;
            self.tally.settled(self.now - calm, bound - calm);
            self.queue
                .retain(|_, event| !matches!(event, Event::Settled));
            self.befall(&Act::Stop(crate::signals::Signal::Terminate));
        }
    }
}
