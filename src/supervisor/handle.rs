//! What others may ask of the supervisor.

use tokio::sync::{mpsc, oneshot};

use super::decision::Urgency;
use super::meters::Meters;
use super::pulse::Pulse;
use super::reload::{Applied, Refused};
use crate::config::Dependency;
use crate::dependency::Name;
use crate::graph::Graph;

/// Hints of failing requests that may wait; more of them say nothing new.
const COMMANDS: usize = 256;

/// Asks things of the supervisor.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    pulse: Pulse,
    meters: Meters,
}

#[derive(Debug)]
pub(super) enum Command {
    Look(Option<Name>, Urgency),
    Reload(
        Vec<Dependency>,
        Graph,
        oneshot::Sender<Result<Applied, Refused>>,
    ),
}

impl Handle {
    /// A handle, and the end at which its commands arrive.
    pub(super) fn new(pulse: Pulse, meters: Meters) -> (Self, mpsc::Receiver<Command>) {
        let (commands, arriving) = mpsc::channel(COMMANDS);
        let handle = Self {
            commands,
            pulse,
            meters,
        };
        (handle, arriving)
    }

    /// A request saw an error of this dependency: look at it now. A storm of
    /// these makes one check.
    pub fn hint(&self, name: &Name) {
        // A full queue holds enough reasons to look.
        let _ = self
            .commands
            .try_send(Command::Look(Some(name.clone()), Urgency::Hint));
    }

    /// A person wants this dependency checked now; `None`: all of them.
    pub fn check_now(&self, name: Option<Name>) {
        let _ = self
            .commands
            .try_send(Command::Look(name, Urgency::Operator));
    }

    /// Brings up another graph beside the present one and swaps it in once
    /// readiness cannot dip by it. Reloads are one at a time: the caller waits
    /// for this one before it begins another.
    pub async fn reload(
        &self,
        dependencies: Vec<Dependency>,
        graph: Graph,
    ) -> Result<Applied, Refused> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Refused(vec!["the daemon is stopping".to_owned()]);
        let command = Command::Reload(dependencies, graph, reply);
        self.commands.send(command).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// What the supervisor counts.
    pub fn meters(&self) -> &Meters {
        &self.meters
    }

    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}
