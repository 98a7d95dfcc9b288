//! What the supervisor's loop does: it hands an input to the core, carries out
//! what that wants, and publishes. After every step all that must hold is
//! looked at.

use super::{Event, World};
use crate::config::{Address, Target};
use crate::simulation::monitors::Monitor;
use crate::simulation::wrong::Wrong;
use crate::simulation::{invariants, settling};
use crate::supervisor::inside::{Core, Input, Line, NodeId, Now, Output};

impl World<'_> {
    /// One turn of the supervisor's loop.
    pub(super) fn turn(&mut self, input: Input) -> Result<(), Wrong> {
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
}
