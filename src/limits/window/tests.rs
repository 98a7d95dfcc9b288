use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn take(window: &mut Window, millis: u64, limit: u32) -> Reading {
    window.take(at(millis), limit, WINDOW)
}

#[test]
fn a_first_minute_holds_exactly_the_limit() {
    // Whenever it begins and however it is spread.
    for start in [0, 1, 29_999, 59_999, 1_234_567] {
        for step in [0, 1, 100, 299] {
            let mut window = Window::default();
            let allowed = (0..200)
                .map(|request| take(&mut window, start + request * step, 100))
                .filter(|reading| reading.allowed);
            assert_eq!(allowed.count(), 100, "{start} {step}");
        }
    }
}

#[test]
fn what_remains_counts_down_and_a_refusal_costs_nothing() {
    let mut window = Window::default();
    for left in (0..3).rev() {
        let reading = take(&mut window, 500, 3);
        assert!(reading.allowed);
        assert_eq!(reading.remaining(), left);
        assert_eq!(reading.until_allowed().is_zero(), left > 0);
    }
    for _ in 0..10 {
        let reading = take(&mut window, 1_500, 3);
        assert!(!reading.allowed);
        assert_eq!((reading.remaining(), reading.current), (0, 3));
        assert_eq!(reading.until_window_ends(), at(59_000));
    }
}

#[test]
fn there_is_no_burst_at_the_edge() {
    let mut window = Window::default();
    let mut allowed_at = Vec::new();
    // As much as ever is possible, every 10 ms for five minutes.
    for millis in (0..300_000).step_by(10) {
        while take(&mut window, millis, 100).allowed {
            allowed_at.push(millis);
        }
    }
    let most = allowed_at
        .iter()
        .map(|from| {
            let within = |at: &&u64| (*from..*from + 60_000).contains(*at);
            allowed_at.iter().filter(within).count()
        })
        .max();
    // The approximation forgets a burst evenly, so some come early.
    assert!(most.is_some_and(|most| most <= 130), "{most:?}");
    let rate = allowed_at.len() / 5;
    assert!((95..=125).contains(&rate), "{rate}");
}

#[test]
fn who_was_silent_for_two_windows_begins_anew() {
    let mut window = Window::default();
    for _ in 0..5 {
        take(&mut window, 0, 5);
    }
    assert!(!take(&mut window, 60_000, 5).allowed, "all of it weighs");
    let reading = take(&mut window, 72_001, 5);
    assert!(reading.allowed, "a fifth is forgotten");
    assert_eq!(reading.previous, 5);
    let mut later = window;
    assert_eq!(take(&mut later, 200_000, 5).remaining(), 4);
    assert_eq!(later.start, Some(at(200_000)));
}

#[test]
fn a_limit_that_was_lowered_holds_at_once_and_a_raised_one_too() {
    let mut window = Window::default();
    for _ in 0..100 {
        assert!(take(&mut window, 0, 100).allowed);
    }
    let lowered = take(&mut window, 1_000, 10);
    assert!(!lowered.allowed);
    assert_eq!(lowered.remaining(), 0);
    assert!(lowered.until_allowed() <= 2 * WINDOW);
    assert!(take(&mut window, 1_000, 101).allowed);
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_away() {
    let mut window = Window::default();
    assert!(take(&mut window, 90_000, 1).allowed);
    assert!(!take(&mut window, 10_000, 1).allowed);
    assert!(!take(&mut window, 90_001, 1).allowed);
}

proptest! {
    #[test]
    fn whoever_waits_as_told_is_let_in_and_not_much_later_than_could_be(
        limit in 1_u32..300,
        steps in proptest::collection::vec(0_u64..20_000, 1..600),
    ) {
        let (mut window, mut now) = (Window::default(), 7_u64);
        for step in steps {
            now += step / 50;
            let reading = take(&mut window, now, limit);
            prop_assert!(reading.allowed || reading.remaining() == 0);
            if reading.allowed {
                continue;
            }
            let wait = reading.until_allowed();
            prop_assert!(!wait.is_zero());
            prop_assert!(wait <= 2 * WINDOW);
            let mut patient = window;
            prop_assert!(patient.take(at(now) + wait, limit, WINDOW).allowed);
            let mut early = window;
            prop_assert!(!early.take(at(now) + wait.saturating_sub(at(1)), limit, WINDOW).allowed);
        }
    }
}
