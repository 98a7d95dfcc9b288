//! When each node must be looked at next.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::node::NodeId;

/// One appointment a node at most, the earliest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agenda {
    by_time: BTreeSet<(Instant, NodeId)>,
    by_node: HashMap<NodeId, Instant>,
}

impl Agenda {
    /// Replaces the appointment of a node.
    pub(crate) fn set(&mut self, node: NodeId, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_node.insert(node, at),
            None => self.by_node.remove(&node),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, node));
        }
        if let Some(at) = at {
            self.by_time.insert((at, node));
        }
    }

    pub(crate) fn first(&self) -> Option<(Instant, NodeId)> {
        self.by_time.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_has_one_appointment() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut agenda = Agenda::default();
        agenda.set(NodeId(1), Some(later));
        agenda.set(NodeId(2), Some(later));
        agenda.set(NodeId(2), Some(now));
        assert_eq!(agenda.first(), Some((now, NodeId(2))));
        agenda.set(NodeId(2), None);
        assert_eq!(agenda.first(), Some((later, NodeId(1))));
        agenda.set(NodeId(1), None);
        assert_eq!(agenda.first(), None);
    }
}
