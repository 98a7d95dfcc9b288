//! The table of models, and how they are run.

use crate::real::sync::Arc;
use crate::real::sync::atomic::{AtomicU64, Ordering};
use crate::real::time::Instant;

use crate::hand_over;
use crate::program::cache::bound;
use crate::program::http::drain;

/// How often at most a thread is interrupted where it could go on. Nearly all
/// errors need no more than two; `INTERLEAVINGS_BOUND=none` explores them all.
const BOUND: usize = 5;

const MODELS: &[(&str, fn())] = &[
    (
        "no publication is missed",
        hand_over::no_publication_is_missed,
    ),
    (
        "the gate hears what opens it",
        hand_over::the_gate_hears_what_opens_it,
    ),
    (
        "a lost supervisor opens nothing",
        hand_over::a_lost_supervisor_opens_nothing,
    ),
    (
        "readiness says what was so",
        hand_over::readiness_says_what_was_so,
    ),
    (
        "the status says what was so",
        hand_over::the_status_says_what_was_so,
    ),
    (
        "a phase is reached everywhere",
        hand_over::a_phase_is_reached_everywhere,
    ),
    (
        "the last seat is given once",
        bound::the_last_seat_is_given_once,
    ),
    (
        "a request is answered or counted as cut",
        drain::a_request_is_answered_or_counted_as_cut,
    ),
    ("drained means gone", drain::drained_means_gone),
];

/// Runs every model through all of its interleavings; the first that fails
/// ends the program with what it found.
pub(crate) fn check_all() {
    let bound = match crate::real::env::var("INTERLEAVINGS_BOUND").as_deref() {
        Ok("none") => None,
        Ok(number) => Some(
            number
                .parse()
                .expect("INTERLEAVINGS_BOUND is a number or none"),
        ),
        Err(_) => Some(BOUND),
    };
    let wanted = crate::real::env::args().nth(1).unwrap_or_default();
    for (name, model) in MODELS.iter().filter(|(name, _)| name.contains(&wanted)) {
        let began = Instant::now();
        let interleavings = check(*model, bound);
        let seconds = began.elapsed().as_secs_f64();
        println!("{name:42} {interleavings:>9} interleavings {seconds:>7.1} s");
    }
}

fn check(model: fn(), bound: Option<usize>) -> u64 {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 10_000;
    let explored = Arc::new(AtomicU64::new(0));
    let count = explored.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    explored.load(Ordering::Relaxed)
}
