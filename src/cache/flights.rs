//! One computing for everybody who wants the same at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;

/// What is under way, by key.
///
/// A flight belongs to nobody who waits for it: it runs in a task of its own,
/// so a request that is dropped takes nothing away from the others.
#[derive(Debug)]
pub(super) struct Flights<K, T: Clone> {
    under_way: Arc<Mutex<HashMap<K, Landing<T>>>>,
}

type Landing<T> = Shared<oneshot::Receiver<T>>;

/// The flight ended without an outcome: it panicked or was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;

impl<K: Clone + Eq + Hash, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self {
            under_way: Arc::default(),
        }
    }

    /// Waits for the flight of `key`.
    ///
    /// Without one, `arrived` is asked whether it has just ended; if not,
    /// `begin` is given what to run as a task of its own.
    pub(super) async fn board<F: Future<Output = T>>(
        &self,
        key: &K,
        arrived: impl FnOnce() -> Option<T>,
        flight: F,
        begin: impl FnMut(Flying<K, T, F>),
    ) -> Result<T, Lost> {
        let (landing, flying) = {
            let mut under_way = lock(&self.under_way);
            if let Some(landing) = under_way.get(key) {
                (landing.clone(), None)
            } else if let Some(value) = arrived() {
                return Ok(value);
            } else {
                let (land, landing) = oneshot::channel();
                let landing = landing.shared();
                under_way.insert(key.clone(), landing.clone());
                let seat = Seat {
                    key: key.clone(),
                    under_way: self.under_way.clone(),
                };
                (landing, Some(Flying { flight, seat, land }))
            }
        };
        flying.into_iter().for_each(begin);
        landing.await.map_err(|_| Lost)
    }
}

/// A flight that is to be run to its end.
pub(super) struct Flying<K: Eq + Hash, T: Clone, F> {
    // Dropped in this order: whoever comes when nobody can land any more shall
    // find no flight to wait for.
    flight: F,
    seat: Seat<K, T>,
    land: oneshot::Sender<T>,
}

impl<K: Eq + Hash, T: Clone, F: Future<Output = T>> Flying<K, T, F> {
    pub(super) async fn run(self) {
        let Self { land, seat, flight } = self;
        let outcome = flight.await;
        drop(seat);
        // Nobody may be waiting any more.
        let _ = land.send(outcome);
    }
}

/// Takes the flight off the list, however it ends.
struct Seat<K: Eq + Hash, T: Clone> {
    key: K,
    under_way: Arc<Mutex<HashMap<K, Landing<T>>>>,
}

impl<K: Eq + Hash, T: Clone> Drop for Seat<K, T> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;

    struct Airport {
        flights: Flights<u32, u32>,
        tasks: Mutex<JoinSet<()>>,
        begun: Arc<AtomicUsize>,
    }

    impl Airport {
        fn new() -> Self {
            Self {
                flights: Flights::new(),
                tasks: Mutex::default(),
                begun: Arc::default(),
            }
        }

        async fn fly(
            &self,
            key: u32,
            outcome: impl Future<Output = u32> + Send + 'static,
        ) -> Result<u32, Lost> {
            let begun = self.begun.clone();
            let flight = async move {
                begun.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                outcome.await
            };
            self.flights
                .board(
                    &key,
                    || None,
                    flight,
                    |flying| {
                        self.tasks.lock().unwrap().spawn(flying.run());
                    },
                )
                .await
        }

        fn begun(&self) -> usize {
            self.begun.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_want_the_same_wait_for_one() {
        let airport = Airport::new();
        let waiting =
            (0..100).map(|passenger| airport.fly(passenger % 2, async move { passenger }));
        let outcomes = join_all(waiting).await;
        assert_eq!(airport.begun(), 2);
        for (passenger, outcome) in outcomes.into_iter().enumerate() {
            assert_eq!(outcome, Ok(u32::try_from(passenger % 2).unwrap()));
        }
        assert_eq!(airport.fly(0, async { 7 }).await, Ok(7), "a new one");
        assert!(lock(&airport.flights.under_way).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_began_it_may_leave() {
        let airport = Airport::new();
        let mut first = Box::pin(airport.fly(1, async { 1 }));
        assert!((&mut first).now_or_never().is_none());
        let second = airport.fly(1, async { 2 });
        drop(first);
        assert_eq!(second.await, Ok(1));
        assert_eq!(airport.begun(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_is_finished_when_all_have_left() {
        let airport = Airport::new();
        let landed = Arc::<AtomicUsize>::default();
        let counted = landed.clone();
        let mut only = Box::pin(airport.fly(1, async move {
            counted.fetch_add(1, Ordering::SeqCst);
            1
        }));
        assert!((&mut only).now_or_never().is_none());
        drop(only);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(landed.load(Ordering::SeqCst), 1);
        assert!(lock(&airport.flights.under_way).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flight_that_breaks_leaves_nobody_waiting() {
        let airport = Airport::new();
        let broken = join_all((0..3).map(|_| airport.fly(1, async { panic!("on purpose") }))).await;
        assert_eq!(broken, [Err(Lost); 3]);
        assert_eq!(airport.fly(1, async { 2 }).await, Ok(2));

        let (aborted, ()) = tokio::join!(airport.fly(1, async { 3 }), async {
            airport.tasks.lock().unwrap().abort_all();
        });
        assert_eq!(aborted, Err(Lost));
    }

    #[tokio::test]
    async fn what_has_just_arrived_is_not_fetched_again() {
        let flights = Flights::<u32, u32>::new();
        let arrived = flights
            .board(&1, || Some(5), async { 6 }, |_| panic!("no need"))
            .await;
        assert_eq!(arrived, Ok(5));
    }
}
