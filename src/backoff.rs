//! Delays with chance in them: pure functions of their arguments and a seeded
//! generator.

use std::time::Duration;

use rand::{Rng, RngExt};

/// `delay`, less by up to the share `jitter`, so that checks which began
/// together drift apart. It is never more: how soon a loss is seen at the
/// latest follows from the delays alone.
pub fn jittered(delay: Duration, jitter: f64, rng: &mut impl Rng) -> Duration {
    let share: f64 = rng.random_range(0.0..=1.0);
    delay.mul_f64((1.0 - jitter * share).max(0.0))
}

/// Exponential backoff with full jitter: anything up to `base` doubled
/// `doublings` times, and never above `cap`.
///
/// Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
pub fn full_jitter(base: Duration, doublings: u32, cap: Duration, rng: &mut impl Rng) -> Duration {
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    let ceiling = base.saturating_mul(factor).min(cap);
    ceiling.mul_f64(rng.random_range(0.0..=1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    proptest! {
        #[test]
        fn jitter_stays_within_its_share(millis in 0_u64..100_000, jitter in 0.0..=1.0_f64, seed: u64) {
            let delay = Duration::from_millis(millis);
            let got = jittered(delay, jitter, &mut SmallRng::seed_from_u64(seed)).as_secs_f64();
            let slack = 1e-6;
            prop_assert!(got >= delay.as_secs_f64() * (1.0 - jitter) - slack);
            prop_assert!(got <= delay.as_secs_f64() + slack);
        }

        #[test]
        fn backoff_never_passes_its_cap(doublings: u32, seed: u64) {
            let cap = Duration::from_secs(2);
            let mut rng = SmallRng::seed_from_u64(seed);
            let got = full_jitter(Duration::from_millis(100), doublings, cap, &mut rng);
            prop_assert!(got <= cap);
        }
    }

    #[test]
    fn the_ceiling_doubles() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut longest = |doublings| {
            (0..1_000)
                .map(|_| {
                    full_jitter(
                        Duration::from_millis(100),
                        doublings,
                        Duration::MAX,
                        &mut rng,
                    )
                })
                .max()
                .unwrap()
        };
        for doublings in 0..5 {
            let ceiling = Duration::from_millis(100) * 2_u32.pow(doublings);
            let longest = longest(doublings);
            assert!(longest <= ceiling && longest > ceiling.mul_f64(0.95));
        }
    }
}
