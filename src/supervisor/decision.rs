//! The words between the supervisor and its core: what happened, and what is
//! to be done about it.

use std::sync::Arc;
use std::time::Duration;

use super::fatal::Fatal;
use super::monitor::{Order, Report};
use super::node::NodeId;
use super::reload::Outcome as ReloadOutcome;
use crate::config::{Dependency, Target};
use crate::dependency::Name;
use crate::graph::Graph;
use crate::health::DependencyHealth;
use crate::health::machine::{Transition, TransitionKind};

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// The time that [`Core::wakes_at`] asked for has come.
    Wake,
    Report {
        node: NodeId,
        generation: u32,
        report: Report,
    },
    MonitorEnded {
        node: NodeId,
        generation: u32,
        reason: String,
    },
    Look {
        /// `None`: at every one.
        name: Option<Name>,
        urgency: Urgency,
    },
    Reload {
        dependencies: Vec<Dependency>,
        graph: Graph,
    },
    /// The whole process stood still for this long.
    ClockGap(Duration),
}

/// Who asks for a check now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// A request saw an error: never faster than the retry rules while the
    /// dependency is known to be down.
    Hint,
    /// A person asks.
    Operator,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    Spawn {
        node: NodeId,
        generation: u32,
        name: Name,
        target: Target,
    },
    Check {
        node: NodeId,
        order: Order,
    },
    Retire(NodeId),
    /// A transition of a live node, told or not.
    Count(Name, TransitionKind),
    Tell(Line),
    Reloaded(ReloadOutcome),
    Fatal(Fatal),
}

/// A line for people.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Transition(Arc<DependencyHealth>, Transition),
    StillDown(Arc<DependencyHealth>),
    Flapping(Arc<DependencyHealth>, usize),
    Calmed(Arc<DependencyHealth>),
    ProbeRestarted {
        dependency: Name,
        reason: String,
        restarts: usize,
        delay: Duration,
    },
}
