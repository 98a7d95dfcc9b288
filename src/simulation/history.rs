//! A history as data: who is watched, and everything that befalls the daemon.
//! The same history always runs the same way.

use std::fmt;
use std::time::Duration;

use crate::config::{Address, Checks, Dependency, Target};
use crate::dependency::{ErrorKind, Kind, Name, Policy};
use crate::graph::Graph;
use crate::signals::Signal;
use crate::supervisor::inside::Urgency;

/// Everything that makes one run.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// Of every chance that is taken while it runs.
    pub(super) seed: u64,
    pub(super) parts: Vec<Part>,
    pub(super) drain_delay: Duration,
    pub(super) drain_timeout: Duration,
    pub(super) exits_on_loss: bool,
    /// In order of time.
    pub(super) ops: Vec<Op>,
}

/// One dependency of a configuration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// It is named after this.
    pub(super) number: usize,
    pub(super) policy: Policy,
    pub(super) needs: Vec<usize>,
    /// Where its server is; `None`: it is not configured.
    pub(super) port: Option<u16>,
    pub(super) checks: Checks,
}

#[derive(Debug, Clone)]
pub(super) struct Op {
    /// Since the beginning.
    pub(super) at: Duration,
    pub(super) act: Act,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    /// The server behind a port behaves like this from now on.
    Serve(u16, Mode),
    /// The server is killed: sessions break, checks in flight as well.
    Kill(u16),
    /// The server closes its sessions and goes on.
    Cut(u16),
    /// The monitor of a dependency panics.
    Panic(usize),
    /// It stops answering for good.
    Wedge(usize),
    Look(Option<usize>, Urgency),
    /// SIGHUP, with a configuration that was changed like this.
    Hangup(Vec<Change>),
    /// A signal that stops.
    Stop(Signal),
    /// The whole process stands still.
    Freeze(Duration),
    /// The wall clock is set, by so many seconds.
    SetClock(i64),
    /// The daemon's own task, which opens the gate, is this slow from now on.
    Dawdle(Duration),
    /// A request that takes this long.
    Request(Duration),
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Policy(usize, Policy),
    /// Another address.
    Move(usize, Option<u16>),
    /// An edge is drawn, or taken away.
    Edge(usize, usize),
    Checks(usize, Checks),
    Remove(usize),
    Add(Part),
}

/// How a server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It answers after this long.
    Up(Duration),
    Fails(ErrorKind),
    Hangs,
    /// Open sessions answer, new ones are not let in.
    Full,
}

impl Part {
    pub(super) fn dependency(&self) -> Dependency {
        let address = |port| {
            let host = "simulated".to_owned();
            Target::Tcp(Address::Tcp { host, port })
        };
        Dependency {
            name: name(self.number),
            kind: Kind::Tcp,
            policy: self.policy,
            needs: self.needs.iter().copied().map(name).collect(),
            target: self.port.map(address),
            checks: self.checks.clone(),
        }
    }
}

pub(super) fn name(number: usize) -> Name {
    format!("d{number}").parse().expect("a legal name")
}

/// The configuration and its graph, if that is a legal one.
pub(super) fn plan(parts: &[Part]) -> Option<(Vec<Dependency>, Graph)> {
    let complete = |part: &Part| part.policy != Policy::Required || part.port.is_some();
    if !parts.iter().all(complete) {
        return None;
    }
    let dependencies: Vec<Dependency> = parts.iter().map(Part::dependency).collect();
    let graph = Graph::build(&dependencies).ok()?;
    Some((dependencies, graph))
}

impl Change {
    pub(super) fn apply(&self, parts: &mut Vec<Part>) {
        let mut edit = |number: &usize, edit: &dyn Fn(&mut Part)| {
            parts
                .iter_mut()
                .filter(|part| part.number == *number)
                .for_each(edit);
        };
        match self {
            Self::Policy(number, policy) => edit(number, &|part| part.policy = *policy),
            Self::Move(number, port) => edit(number, &|part| part.port = *port),
            Self::Checks(number, checks) => edit(number, &|part| part.checks = checks.clone()),
            Self::Edge(from, to) => edit(from, &|part| {
                let before = part.needs.len();
                part.needs.retain(|need| need != to);
                if part.needs.len() == before {
                    part.needs.push(*to);
                }
            }),
            Self::Remove(number) => {
                parts.retain(|part| part.number != *number);
                for part in parts {
                    part.needs.retain(|need| need != number);
                }
            }
            Self::Add(part) => {
                if parts.iter().all(|other| other.number != part.number) {
                    parts.push(part.clone());
                }
            }
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "seed {}, drain_delay {:?}, drain_timeout {:?}, exits on loss: {}",
            self.seed, self.drain_delay, self.drain_timeout, self.exits_on_loss
        )?;
        for part in &self.parts {
            writeln!(f, "  {part}")?;
        }
        for Op { at, act } in &self.ops {
            writeln!(f, "  {at:>10.3?} {act:?}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks = &self.checks;
        write!(
            f,
            "d{} {} at {:?} needs {:?}: interval {:?}, fast {:?}, backoff {:?}, jitter {}, \
             timeouts {:?} {:?}, fall {}, rise {}, deadline {:?}",
            self.number,
            self.policy,
            self.port,
            self.needs,
            checks.interval,
            checks.fast_interval,
            checks.max_backoff,
            checks.jitter,
            checks.connect_timeout,
            checks.timeout,
            checks.fall,
            checks.rise,
            checks.startup_deadline,
        )
    }
}
