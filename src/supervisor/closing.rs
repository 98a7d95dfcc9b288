//! The end of all sessions: dependents before what they need, and within a
//! bound however many monitors do not let go.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::node::NodeId;
use crate::dependency::Name;

/// How long a monitor may take to let go of its session.
const ONE: Duration = Duration::from_millis(500);
/// How long all of them together may be waited for.
const ALL: Duration = Duration::from_millis(1500);

/// The sessions that are still to be closed, one after the other.
#[derive(Debug)]
pub(crate) struct Closing {
    rest: VecDeque<(NodeId, Name)>,
    patience_ends: Instant,
}

/// One session to close now.
#[derive(Debug)]
pub(crate) struct Close {
    pub(crate) node: NodeId,
    pub(crate) name: Name,
    /// How long its monitor is waited for before it is cut off.
    pub(crate) until: Instant,
}

impl Closing {
    /// Closes what `stop_order` names, in that order.
    pub(crate) fn begin(stop_order: Vec<(NodeId, Name)>, now: Instant) -> Self {
        Self {
            rest: stop_order.into(),
            patience_ends: now + ALL,
        }
    }

    /// When nobody is waited for any more.
    pub(crate) fn ends_by(&self) -> Instant {
        self.patience_ends
    }

    /// The next one, once the one before has let go or was cut off. When many
    /// hold on, the last ones are only told.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Close> {
        let (node, name) = self.rest.pop_front()?;
        let until = (now + ONE).min(self.patience_ends.max(now));
        Some(Close { node, name, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_that_hold_on_take_no_longer_than_a_few() {
        let began = Instant::now();
        let order: Vec<_> = (0..200)
            .map(|number| (NodeId(number), "d".parse().unwrap()))
            .collect();
        let mut closing = Closing::begin(order, began);
        let (mut now, mut closed) = (began, Vec::new());
        while let Some(close) = closing.next(now) {
            closed.push(close.node.0);
            now = close.until;
        }
        assert!(closed.is_sorted() && closed.len() == 200, "each, in order");
        assert_eq!(now, began + ALL);
        assert_eq!(closing.ends_by(), began + ALL);
    }
}
