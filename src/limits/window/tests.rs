use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn take(window: &mut Window, millis: u64, limit: u32) -> Reading {
    window.take(at(millis), limit, WINDOW)
}

#[test]
fn a_refusal_costs_nothing_and_tells_when_to_come_back() {
    let mut window = Window::default();
    for counted in 1..=3 {
        let reading = take(&mut window, 500, 3);
        assert!(reading.allowed);
        assert_eq!(reading.counted, counted);
        assert_eq!(reading.until_allowed.is_zero(), counted < 3);
    }
    for _ in 0..10 {
        let reading = take(&mut window, 1_500, 3);
        let expected = Reading {
            allowed: false,
            counted: 3,
            until_forgotten: at(59_000),
            until_allowed: at(59_000),
        };
        assert_eq!(reading, expected);
    }
    assert!(!take(&mut window, 60_499, 3).allowed);
    assert!(take(&mut window, 60_500, 3).allowed);
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
    let expected: Vec<u64> = (0..5).flat_map(|minute| [minute * 60_000; 100]).collect();
    assert_eq!(allowed_at, expected);
}

#[test]
fn a_limit_that_was_lowered_holds_at_once_and_a_raised_one_too() {
    let mut window = Window::default();
    for millis in 0..100 {
        assert!(take(&mut window, millis, 100).allowed);
    }
    let lowered = take(&mut window, 1_000, 10);
    assert!(!lowered.allowed);
    assert_eq!(lowered.counted, 100);
    // Only then are there fewer than ten.
    assert_eq!(lowered.until_allowed, at(60_090 - 1_000));
    assert!(take(&mut window, 1_000, 101).allowed);
}

#[test]
fn a_clock_that_is_set_back_gives_nothing_away_and_locks_nobody_out() {
    let mut window = Window::default();
    assert!(take(&mut window, 90_000, 1).allowed);
    let early = take(&mut window, 40_000, 1);
    assert!(!early.allowed);
    assert_eq!(early.until_allowed, WINDOW);
    assert!(take(&mut window, 30_000, 1).allowed, "that far was wrong");
}

proptest! {
    /// Against the requests that were allowed within the last minute.
    #[test]
    fn it_is_exact_in_any_minute(
        limit in 1_u32..40,
        steps in proptest::collection::vec((0_u64..20_000, 0..3_u8), 1..300),
    ) {
        let (mut window, mut now) = (Window::default(), 7_u64);
        let mut allowed_at: Vec<u64> = Vec::new();
        for (step, pace) in steps {
            now += step / [1, 20, 20_000][usize::from(pace)];
            let recent = allowed_at.iter().filter(|then| now - **then < 60_000).count();
            let room = recent < usize::try_from(limit).unwrap();
            let reading = take(&mut window, now, limit);
            prop_assert_eq!(reading.allowed, room);
            prop_assert!(reading.until_forgotten <= WINDOW);
            if room {
                allowed_at.push(now);
                continue;
            }
            let wait = reading.until_allowed;
            prop_assert!(!wait.is_zero() && wait <= WINDOW);
            let mut patient = window.clone();
            prop_assert!(patient.take(at(now) + wait, limit, WINDOW).allowed);
            let mut early = window.clone();
            prop_assert!(!early.take(at(now) + wait.saturating_sub(at(1)), limit, WINDOW).allowed);
        }
    }
}
