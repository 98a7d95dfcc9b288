//! The state of every dependency: one writer, many readers.
//!
//! The supervisor publishes a [`Snapshot`]; everyone else holds a [`Reader`],
//! which has no way to change it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::dependency::{Failure, Kind, Name, Policy};

use history::{Latencies, Timeline};

pub use roll::Roll;

pub mod history;
pub mod machine;
pub mod readiness;

mod roll;

/// The status of one dependency. Unknown is never up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Never up, with fewer than `fall` failures so far.
    Starting,
    /// Something it needs is not up, or came back and was not checked over yet.
    Blocked,
    Ok,
    /// Was ok, with fewer than `fall` failures in a row: still counts as up.
    Failing,
    /// Down, also when it never was up.
    Error,
    /// Its policy says that it is not watched.
    Disabled,
    /// It has no address.
    NotConfigured,
}

impl Status {
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Blocked,
        Self::Ok,
        Self::Failing,
        Self::Error,
        Self::Disabled,
        Self::NotConfigured,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Blocked => "blocked",
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Error => "error",
            Self::Disabled => "disabled",
            Self::NotConfigured => "not_configured",
        }
    }

    /// Whether others may rely on it.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Ok | Self::Failing)
    }

    /// Whether it has a part in any verdict.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Disabled | Self::NotConfigured)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is known of one dependency at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct DependencyHealth {
    pub name: Name,
    pub kind: Kind,
    pub policy: Policy,
    pub needs: Arc<[Name]>,
    /// The address without user and password; empty when there is none.
    pub url: Arc<str>,
    pub status: Status,
    /// When the status began.
    pub since: Timestamp,
    /// The first need that is not up, while blocked.
    pub blocked_by: Option<Name>,
    /// Whether it has been up since the process started.
    pub initialized: bool,
    /// Of the last check that passed.
    pub latency: Option<Duration>,
    /// Of the last checks.
    pub latencies: Arc<Latencies>,
    pub note: Option<String>,
    /// The last failure, while there are failures in a row.
    pub failure: Option<Failure>,
    /// Failures in a row.
    pub failures: u32,
    /// Checks since the process started.
    pub attempts: u64,
    pub last_checked: Option<Timestamp>,
    /// How long it may still take to come up before the gate has opened.
    pub start_deadline: StartDeadline,
}

impl DependencyHealth {
    /// A dependency of which nothing is known yet.
    pub fn unknown(name: Name, kind: Kind, policy: Policy, now: Timestamp) -> Self {
        Self {
            name,
            kind,
            policy,
            needs: Arc::default(),
            url: Arc::default(),
            status: Status::Starting,
            since: now,
            blocked_by: None,
            initialized: false,
            latency: None,
            latencies: Arc::default(),
            note: None,
            failure: None,
            failures: 0,
            attempts: 0,
            last_checked: None,
            start_deadline: StartDeadline::Never,
        }
    }
}

/// What is left of the time in which a dependency must come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartDeadline {
    /// It may take as long as it likes, or nothing waits for it.
    Never,
    /// The clock stands still: this much is left.
    Paused(Duration),
    /// The clock runs, and runs out then.
    At(Instant),
}

impl StartDeadline {
    /// What is left at `now`; `None` when there is no end to it.
    pub fn left(self, now: Instant) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Paused(left) => Some(left),
            Self::At(end) => Some(end.saturating_duration_since(now)),
        }
    }
}

/// The immutable state of the whole graph at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Grows with each publication.
    pub sequence: u64,
    /// In start order: a dependency stands behind everything it needs.
    pub dependencies: Roll,
    /// The last transitions.
    pub timeline: Arc<Timeline>,
}

/// A snapshot with all that is derived from it.
#[derive(Debug)]
pub struct Published {
    pub snapshot: Snapshot,
    pub verdict: readiness::Verdict,
    /// Whether everything that gates was up in this snapshot or in an earlier
    /// one: a reader that looks late may have missed it.
    pub gate_opens: bool,
    render: Render,
    body: OnceLock<Bytes>,
}

impl Published {
    pub fn new(snapshot: Snapshot, render: Render, gate_opened: bool) -> Self {
        let verdict = snapshot.dependencies.tally().verdict();
        Self {
            gate_opens: gate_opened || verdict.gating_up,
            verdict,
            snapshot,
            render,
            body: OnceLock::new(),
        }
    }

    /// The readiness document's checks, rendered when they are first asked for:
    /// of a thousand snapshots a second, few are. Nobody waits for another who
    /// renders them at the same time.
    pub fn body(&self) -> Bytes {
        if let Some(body) = self.body.get() {
            return body.clone();
        }
        let body = (self.render)(&self.snapshot);
        let _ = self.body.set(body.clone());
        body
    }
}

/// Turns a snapshot into the bytes that readiness polls are answered with.
pub type Render = fn(&Snapshot) -> Bytes;

/// A writer and a reader of the state of the graph.
pub fn channel(first: Snapshot, render: Render) -> (Writer, Reader) {
    let published = Published::new(first, render, false);
    let (sequence, gate_opens) = (published.snapshot.sequence, published.gate_opens);
    let current = Arc::new(ArcSwap::from_pointee(published));
    let (changed, changes) = watch::channel(sequence);
    let writer = Writer {
        current: current.clone(),
        changed,
        render,
        gate_opens,
    };
    (writer, Reader { current, changes })
}

/// The only way to change the state of the graph.
#[derive(Debug)]
pub struct Writer {
    current: Arc<ArcSwap<Published>>,
    changed: watch::Sender<u64>,
    render: Render,
    gate_opens: bool,
}

impl Writer {
    pub fn publish(&mut self, snapshot: Snapshot) {
        let sequence = snapshot.sequence;
        let published = Published::new(snapshot, self.render, self.gate_opens);
        self.gate_opens = published.gate_opens;
        self.current.store(Arc::new(published));
        self.changed.send_replace(sequence);
    }
}

/// Reads the state without a lock, or waits for a change of it.
#[derive(Debug, Clone)]
pub struct Reader {
    current: Arc<ArcSwap<Published>>,
    changes: watch::Receiver<u64>,
}

/// The writer is gone: nothing will be published any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the supervisor has ended")]
pub struct WriterGone;

impl Reader {
    pub fn current(&self) -> Arc<Published> {
        self.current.load_full()
    }

    /// Waits for a publication that this reader has not waited for yet.
    pub async fn changed(&mut self) -> Result<Arc<Published>, WriterGone> {
        self.changes.changed().await.map_err(|_| WriterGone)?;
        self.changes.mark_unchanged();
        Ok(self.current())
    }

    /// Waits until `condition` holds, beginning with the current state.
    pub async fn wait_for(
        &mut self,
        mut condition: impl FnMut(&Published) -> bool,
    ) -> Result<Arc<Published>, WriterGone> {
        self.changes.mark_unchanged();
        let mut published = self.current();
        while !condition(&published) {
            published = self.changed().await?;
        }
        Ok(published)
    }
}

#[cfg(test)]
pub(crate) mod tests;
