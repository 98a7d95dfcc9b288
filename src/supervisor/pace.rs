//! When a dependency is checked next: the retry rules, as a pure function.

use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::time::Instant;

use crate::backoff::{full_jitter, jittered};
use crate::config::Checks;
use crate::dependency::ErrorKind;
use crate::health::Status;

/// What the rules remember of one dependency.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Failures in a row that make trying again costly.
    doublings: u32,
    /// Sessions in a row that the peer closed before an interval was over.
    young_losses: u32,
    connected_at: Option<Instant>,
    /// Whether its checks have left the step of those that came up with it.
    spread: bool,
}

impl Pace {
    /// The delay after a check that ended in `status`, with `failure` or
    /// without.
    pub(crate) fn after_check(
        &mut self,
        status: Status,
        failure: Option<ErrorKind>,
        checks: &Checks,
        rng: &mut SmallRng,
    ) -> Duration {
        let Some(kind) = failure else {
            self.doublings = 0;
            return match status {
                Status::Ok if self.spread => jittered(checks.interval, checks.jitter, rng),
                // Whoever came up together is not checked together from then
                // on: any time of the next interval will do.
                Status::Ok if checks.jitter > 0.0 => {
                    self.spread = true;
                    jittered(checks.interval, 1.0, rng)
                }
                Status::Ok => checks.interval,
                // Coming back: the next pass may be the one that counts.
                _ => jittered(checks.fast_interval, checks.jitter, rng),
            };
        };
        self.spread = false;
        if status != Status::Error {
            return jittered(checks.fast_interval, checks.jitter, rng);
        }
        match kind {
            // Cheap to try again, and what a restarting server answers with.
            ErrorKind::Refused | ErrorKind::Closed => {
                self.doublings = 0;
                jittered(checks.fast_interval, checks.jitter, rng)
            }
            ErrorKind::Timeout | ErrorKind::NotReady | ErrorKind::Dns | ErrorKind::Protocol => {
                let doublings = self.doublings;
                self.doublings = doublings.saturating_add(1);
                full_jitter(checks.fast_interval, doublings, checks.max_backoff, rng)
            }
            // Only a person mends these; servers lock accounts that insist.
            ErrorKind::Auth | ErrorKind::Tls | ErrorKind::Config => {
                jittered(checks.max_backoff, checks.jitter, rng)
            }
        }
    }

    /// A new session stands.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.connected_at = Some(now);
    }

    /// The delay before looking at a dependency whose session was closed. The
    /// first look is immediate. A peer that closes one session after the other
    /// (an idle timeout shorter than the interval, say) is looked at less and
    /// less often, down to the usual interval.
    pub(crate) fn after_loss(&mut self, checks: &Checks, now: Instant) -> Duration {
        let age = self.connected_at.map(|at| now.duration_since(at));
        if age.is_none_or(|age| age >= checks.interval) {
            self.young_losses = 0;
            return Duration::ZERO;
        }
        self.young_losses = self.young_losses.saturating_add(1);
        match self.young_losses {
            1 => Duration::ZERO,
            losses => {
                let factor = 1_u32.checked_shl(losses - 2).unwrap_or(u32::MAX);
                let delay = checks.fast_interval.saturating_mul(factor);
                delay.min(checks.interval)
            }
        }
    }

    /// Forgets failures: what held the dependency back is gone.
    pub(crate) fn unblocked(&mut self) {
        self.doublings = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn checks() -> Checks {
        Checks {
            jitter: 0.0,
            ..Checks::default()
        }
    }

    fn delays(kind: ErrorKind, count: usize) -> Vec<Duration> {
        let (mut pace, mut rng) = (Pace::default(), SmallRng::seed_from_u64(7));
        (0..count)
            .map(|_| pace.after_check(Status::Error, Some(kind), &checks(), &mut rng))
            .collect()
    }

    #[test]
    fn those_who_come_up_together_are_soon_checked_at_all_times() {
        let checks = Checks::default();
        let mut rng = SmallRng::seed_from_u64(7);
        let mut in_each_tenth = [0; 10];
        for _ in 0..1_000 {
            let mut pace = Pace::default();
            let first = pace.after_check(Status::Ok, None, &checks, &mut rng);
            let second = pace.after_check(Status::Ok, None, &checks, &mut rng);
            assert!(second >= checks.interval.mul_f64(1.0 - checks.jitter));
            // Those that are lost together come back together.
            let _ = pace.after_check(Status::Failing, Some(ErrorKind::Closed), &checks, &mut rng);
            let again = pace.after_check(Status::Ok, None, &checks, &mut rng);
            for delay in [first, again] {
                let share = delay.as_secs_f64() / checks.interval.as_secs_f64();
                let tenth = (0..9).find(|tenth| share < 0.1 * f64::from(tenth + 1));
                in_each_tenth[usize::try_from(tenth.unwrap_or(9)).unwrap()] += 1;
            }
        }
        assert!(
            in_each_tenth.iter().all(|count| (150..250).contains(count)),
            "{in_each_tenth:?}"
        );
    }

    #[test]
    fn each_kind_of_failure_has_its_rule() {
        for kind in ErrorKind::ALL {
            let delays = delays(kind, 200);
            match kind {
                ErrorKind::Refused | ErrorKind::Closed => {
                    assert!(delays.iter().all(|delay| *delay == checks().fast_interval));
                }
                ErrorKind::Auth | ErrorKind::Tls | ErrorKind::Config => {
                    assert!(delays.iter().all(|delay| *delay == checks().max_backoff));
                }
                _ => {
                    assert!(delays[0] <= checks().fast_interval);
                    assert!(delays.iter().all(|delay| *delay <= checks().max_backoff));
                    let late: Duration = delays[10..].iter().sum();
                    assert!(late > checks().max_backoff * 60, "{kind} backs off");
                }
            }
        }
    }

    #[test]
    fn before_it_is_down_every_failure_is_tried_again_fast() {
        let (mut pace, mut rng) = (Pace::default(), SmallRng::seed_from_u64(7));
        for status in [Status::Starting, Status::Failing] {
            for kind in ErrorKind::ALL {
                let delay = pace.after_check(status, Some(kind), &checks(), &mut rng);
                assert_eq!(delay, checks().fast_interval);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_keeps_closing_is_not_stormed() {
        let (mut pace, checks) = (Pace::default(), checks());
        let mut delays = Vec::new();
        for _ in 0..10 {
            pace.connected(Instant::now());
            delays.push(pace.after_loss(&checks, Instant::now()).as_millis());
        }
        assert_eq!(
            delays,
            [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]
        );

        pace.connected(Instant::now());
        tokio::time::advance(checks.interval).await;
        assert!(pace.after_loss(&checks, Instant::now()).is_zero());
    }

    #[test]
    fn what_is_up_is_checked_at_leisure_and_what_comes_back_is_not() {
        let (mut pace, mut rng) = (Pace::default(), SmallRng::seed_from_u64(7));
        for status in Status::ALL {
            let delay = pace.after_check(status, None, &checks(), &mut rng);
            let expected = match status {
                Status::Ok => checks().interval,
                _ => checks().fast_interval,
            };
            assert_eq!(delay, expected, "{status}");
        }
    }

    #[test]
    fn what_is_unblocked_begins_anew() {
        for seed in 0..20 {
            let (mut pace, mut rng) = (Pace::default(), SmallRng::seed_from_u64(seed));
            let mut fail = |pace: &mut Pace| {
                pace.after_check(Status::Error, Some(ErrorKind::Timeout), &checks(), &mut rng)
            };
            let longest = (0..20).map(|_| fail(&mut pace)).max();
            assert!(longest > Some(checks().fast_interval), "it backed off");
            pace.unblocked();
            assert!(fail(&mut pace) <= checks().fast_interval);
        }
    }
}
