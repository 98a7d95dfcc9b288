//! Which revision of a version is the current one, asked by every request that
//! the cache could answer.
//!
//! Requests that come together are one query. A query is only sent after every
//! request in it has arrived, so none is told less than what was committed
//! before it began.

use std::collections::HashMap;
use std::sync::Weak;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::pool::Purpose;
use super::{Shared, Store, StoreError, unavailable};
use crate::budget::{OrganizationId, RevisionToken, VersionId};
use crate::dependency::ErrorKind;

/// So many queries may be on their way at once: a connection that hangs holds
/// up only those that were sent over it.
const IN_FLIGHT: usize = 4;
/// So many requests fit into one query.
const BATCH: usize = 256;
/// So many requests may wait for a query.
const WAITING: usize = 4096;

/// What a request must know before it looks into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revision {
    pub organization: OrganizationId,
    pub token: RevisionToken,
}

type Answer = Result<Option<Revision>, StoreError>;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Question {
    version: VersionId,
    answer: oneshot::Sender<Answer>,
}

/// Asks the task that [`answer`] is.
#[derive(Debug, Clone)]
pub(super) struct Asking(mpsc::Sender<Question>);

impl Asking {
    pub(super) fn new() -> (Self, mpsc::Receiver<Question>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    pub(super) async fn revision(&self, version: VersionId) -> Answer {
        let (answer, answered) = oneshot::channel();
        let question = Question { version, answer };
        self.0.try_send(question).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                StoreError::Busy("too many requests wait for it".to_owned())
            }
            mpsc::error::TrySendError::Closed(_) => closing(),
        })?;
        answered.await.unwrap_or_else(|_| Err(closing()))
    }
}

/// Answers questions until nobody can ask any more.
pub(super) async fn answer(mut questions: mpsc::Receiver<Question>, shared: Weak<Shared>) {
    let mut in_flight = FuturesUnordered::new();
    loop {
        let mut batch = Vec::new();
        tokio::select! {
            Some(()) = in_flight.next() => continue,
            received = questions.recv_many(&mut batch, BATCH), if in_flight.len() < IN_FLIGHT => {
                if received == 0 {
                    break;
                }
            }
        }
        let Some(shared) = shared.upgrade() else {
            break;
        };
        in_flight.push(ask(Store { shared }, batch));
    }
}

async fn ask(store: Store, mut batch: Vec<Question>) {
    // Who has given up in the meantime need not be asked for.
    batch.retain(|question| !question.answer.is_closed());
    let ids: Vec<Uuid> = batch
        .iter()
        .map(|question| question.version.uuid())
        .collect();
    let found = match look_up(&store, &ids).await {
        Ok(found) => found,
        Err(error) => {
            for question in batch {
                // Nobody listens any more: nobody is told.
                let _ = question.answer.send(Err(error.clone()));
            }
            return;
        }
    };
    for question in batch {
        let revision = found.get(&question.version).copied();
        let _ = question.answer.send(Ok(revision));
    }
}

async fn look_up(store: &Store, ids: &[Uuid]) -> Result<HashMap<VersionId, Revision>, StoreError> {
    let rows = store
        .read_for(Purpose::Revisions, async |transaction| {
            transaction
                .rows(
                    "SELECT id, organization_id, revision_token \
                     FROM budgetd.budget_versions WHERE id = ANY ($1)",
                    &[(&ids, Type::UUID_ARRAY)],
                )
                .await
        })
        .await?;
    let revision = |row: tokio_postgres::Row| -> Result<_, tokio_postgres::Error> {
        let [id, organization, token]: [Uuid; 3] =
            [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
        let revision = Revision {
            organization: organization.into(),
            token: token.into(),
        };
        Ok((VersionId::new(id), revision))
    };
    rows.into_iter()
        .map(revision)
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Broken(error.to_string()))
}

fn closing() -> StoreError {
    unavailable(ErrorKind::NotReady, "the daemon is stopping")
}
