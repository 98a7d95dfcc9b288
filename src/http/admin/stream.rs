//! The status as server-sent events: whole at first, then what changes.
//!
//! An event is made when the client is ready for it, from what is known then,
//! so a slow client holds nothing up and nothing waits for it. One that takes
//! no byte at all is cut by its connection's own deadline.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::health::Reader;
use crate::http::error;
use crate::http::health::{HealthEndpoint, NO_STORE, Told, Update};
use crate::shutdown::{Phase, PhaseReader};

/// Pages that may listen at the same time.
const MAX_PAGES: usize = 32;
/// The shortest time between two events: what happens meanwhile is one.
const PACE: Duration = Duration::from_millis(250);
/// The longest: a page that hears nothing knows that nobody is there.
const BEAT: Duration = Duration::from_secs(2);
/// After which a browser that lost the connection tries again.
const RETRY: Duration = Duration::from_secs(1);

/// Proxies that keep a response back until it is complete let this one through.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

/// What pages listen to.
#[derive(Clone)]
pub(super) struct Pages {
    health: Arc<HealthEndpoint>,
    seats: Arc<Semaphore>,
}

impl Pages {
    pub(super) fn new(health: Arc<HealthEndpoint>) -> Self {
        Self {
            health,
            seats: Arc::new(Semaphore::new(MAX_PAGES)),
        }
    }
}

pub(super) async fn listen(State(pages): State<Pages>) -> Response {
    let Ok(seat) = pages.seats.try_acquire_owned() else {
        return error::unavailable("too many status pages are open");
    };
    let page = Page::new(pages.health, seat);
    let events = stream::unfold(page, async |mut page: Page| {
        let event = page.next().await;
        Some((Ok::<_, Infallible>(event), page))
    });
    ([(CACHE_CONTROL, NO_STORE), UNBUFFERED], Sse::new(events)).into_response()
}

/// One page that listens.
struct Page {
    endpoint: Arc<HealthEndpoint>,
    health: Reader,
    phase: PhaseReader,
    told: Option<Told>,
    told_phase: Phase,
    told_at: Instant,
    _seat: OwnedSemaphorePermit,
}

impl Page {
    fn new(endpoint: Arc<HealthEndpoint>, seat: OwnedSemaphorePermit) -> Self {
        Self {
            health: endpoint.readiness.health.clone(),
            phase: endpoint.readiness.phase.clone(),
            endpoint,
            told: None,
            told_phase: Phase::Starting,
            told_at: Instant::now(),
            _seat: seat,
        }
    }

    async fn next(&mut self) -> Event {
        if self.told.is_some() {
            self.worth_telling().await;
        }
        // Read first: what changes from here on is told next time.
        self.told_phase = self.phase.get();
        self.told_at = Instant::now();
        match self.endpoint.update(&mut self.told) {
            Update::Whole(text) => Event::default().event("state").retry(RETRY).data(text),
            Update::Change(text) => Event::default().event("change").data(text),
        }
    }

    /// Waits for a change, and no longer than a beat.
    async fn worth_telling(&mut self) {
        // A beat must come before the connection counts as stuck.
        let patience = self.endpoint.settings.load().body_idle_timeout / 2;
        let beat = self.told_at + BEAT.min(patience);
        sleep_until(beat.min(self.told_at + PACE)).await;
        let changed = async {
            tokio::select! {
                biased;
                () = self.phase.left(self.told_phase) => {}
                // Without its writer the state stays as it is.
                Ok(_) = self.health.changed() => {}
            }
        };
        let _ = timeout_at(beat, changed).await;
    }
}
