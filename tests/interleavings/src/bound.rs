//! How much is computed at once, and whether it is given back.

use crate::real::sync::Arc;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::seats::Seats;

/// Two who come at the same time do not both get the last seat, and a seat
/// that was given back is there for the next.
pub(crate) fn the_last_seat_is_given_once() {
    let seats = Arc::new(Seats::default());
    let seated = Arc::new(AtomicUsize::new(0));
    let other = {
        let (seats, seated) = (seats.clone(), seated.clone());
        thread::spawn(move || sit(&seats, &seated))
    };
    sit(&seats, &seated);
    other.join().expect("it does not panic");
    assert!(seats.take(1).is_some(), "a seat was lost");
}

fn sit(seats: &Seats, seated: &AtomicUsize) {
    let Some(seat) = seats.take(1) else { return };
    let others = seated.fetch_add(1, Ordering::Relaxed);
    assert_eq!(others, 0, "more are seated than there are seats");
    seated.fetch_sub(1, Ordering::Relaxed);
    drop(seat);
}
