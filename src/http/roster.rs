//! Who is connected to a listener: the tasks of its connections, the seats
//! that they hold, and what each is doing. A listener has drained when nobody
//! is left here.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::{Id, JoinError, JoinSet};

use super::activity::Activity;
use super::admission::{Admission, Seat};

#[derive(Debug, Default)]
pub(super) struct Roster {
    tasks: JoinSet<()>,
    seats: HashMap<Id, (Seat, Arc<Activity>)>,
    admission: Admission,
}

/// A connection that is gone.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) activity: Arc<Activity>,
    pub(super) panicked: bool,
}

impl Roster {
    /// Takes a seat for a new connection, as [`Admission::enter`] does. Who
    /// gets one must be given to [`Self::seat`].
    pub(super) fn enter(&mut self, max_connections: usize) -> Option<Seat> {
        self.admission.enter(max_connections)
    }

    /// Runs the connection that the seat was taken for.
    pub(super) fn seat(
        &mut self,
        seat: Seat,
        activity: Arc<Activity>,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(connection);
        self.seats.insert(task.id(), (seat, activity));
    }

    /// All connections, also those that are only told that there is no room.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Connections that are served.
    pub(super) fn served(&self) -> usize {
        self.admission.served()
    }

    /// Waits for a connection to end, whose seat is free then. `None` when
    /// there is none.
    pub(super) async fn next_gone(&mut self) -> Option<Gone> {
        loop {
            let ended = self.tasks.join_next_with_id().await?;
            if let Some(gone) = self.left(&ended) {
                return Some(gone);
            }
        }
    }

    /// A connection that has ended already, if one has.
    pub(super) fn try_next_gone(&mut self) -> Option<Gone> {
        loop {
            let ended = self.tasks.try_join_next_with_id()?;
            if let Some(gone) = self.left(&ended) {
                return Some(gone);
            }
        }
    }

    /// Ends every connection; answers with those whose request was cut short.
    ///
    /// Who is asked while its task still runs may answer a moment later, or be
    /// given one more request. So each connection notes by itself, when it is
    /// dropped, whether it was in the middle of one, and is asked when it is
    /// gone.
    pub(super) async fn cut(&mut self) -> Vec<Arc<Activity>> {
        self.tasks.abort_all();
        let mut cut = Vec::new();
        while let Some(gone) = self.next_gone().await {
            if gone.activity.was_cut() {
                cut.push(gone.activity);
            }
        }
        cut
    }

    fn left(&mut self, ended: &Result<(Id, ()), JoinError>) -> Option<Gone> {
        let (id, panicked) = match ended {
            Ok((id, ())) => (*id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let (seat, activity) = self.seats.remove(&id)?;
        self.admission.leave(seat);
        Some(Gone { activity, panicked })
    }
}
