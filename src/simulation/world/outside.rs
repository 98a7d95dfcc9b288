//! What happens from outside: checks end, faults come and go, and time stands
//! still.

use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;

use super::{Event, World};
use crate::dependency::ErrorKind;
use crate::simulation::history::{self, Act, Mode};
use crate::simulation::monitors::Monitor;
use crate::simulation::settling;
use crate::simulation::wrong::Wrong;
use crate::supervisor::inside::{Input, NodeId, Report};

impl World<'_> {
    /// A monitor's check is over.
    pub(super) fn answer(&mut self, node: NodeId, generation: u32) -> Result<(), Wrong> {
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

    /// Something happens from outside.
    pub(super) fn befall(&mut self, act: &Act) {
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

    pub(super) fn calm_down(&mut self) {
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
    pub(super) fn go_home(&mut self) {
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
