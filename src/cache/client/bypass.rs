//! Whether Redis may be asked: pure.

use jiff::Timestamp;

use crate::health::{DependencyHealth, Status};

/// Which check of Redis was the last one. It is compared for being another
/// one, never for being later: clocks are set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Check {
    attempts: u64,
    ended: Option<Timestamp>,
}

impl Check {
    fn last(health: &DependencyHealth) -> Self {
        Self {
            attempts: health.attempts,
            ended: health.last_checked,
        }
    }
}

/// Redis is bypassed while it is not well, and after it failed a request until
/// another check has passed.
#[derive(Debug, Default)]
pub(super) struct Bypass {
    /// The last check that was known of when a request was failed.
    fault: Option<Check>,
}

impl Bypass {
    /// Redis failed a request while this was known of it.
    pub(super) fn fault(&mut self, known: Option<&DependencyHealth>) {
        self.fault = known.map(Check::last);
    }

    /// Redis is another one from now on.
    pub(super) fn forget(&mut self) {
        self.fault = None;
    }

    /// Whether Redis may be asked, given what is known of it now.
    pub(super) fn may_ask(&mut self, health: Option<&DependencyHealth>) -> bool {
        // `ok` says that the last check has passed; `failing` still counts as
        // up for others, but says that it has not.
        let Some(health) = health.filter(|health| health.status == Status::Ok) else {
            return false;
        };
        if self.fault == Some(Check::last(health)) {
            return false;
        }
        self.fault = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::dependency::{CACHE, Kind, Policy};

    fn health(status: Status, attempts: u64) -> DependencyHealth {
        let seconds = SignedDuration::from_secs(i64::try_from(attempts).unwrap());
        DependencyHealth {
            status,
            initialized: true,
            attempts,
            last_checked: Some(Timestamp::UNIX_EPOCH + seconds),
            ..DependencyHealth::unknown(
                CACHE.parse().unwrap(),
                Kind::Redis,
                Policy::Optional,
                Timestamp::UNIX_EPOCH,
            )
        }
    }

    #[test]
    fn only_a_dependency_whose_last_check_passed_is_asked() {
        let mut bypass = Bypass::default();
        assert!(!bypass.may_ask(None));
        for status in Status::ALL {
            let asked = bypass.may_ask(Some(&health(status, 1)));
            assert_eq!(asked, status == Status::Ok, "{status}");
        }
    }

    #[test]
    fn after_a_fault_another_check_must_have_passed() {
        let mut bypass = Bypass::default();
        bypass.fault(Some(&health(Status::Ok, 7)));
        assert!(!bypass.may_ask(Some(&health(Status::Ok, 7))));
        assert!(!bypass.may_ask(Some(&health(Status::Failing, 8))));
        assert!(!bypass.may_ask(Some(&health(Status::Error, 10))));
        assert!(bypass.may_ask(Some(&health(Status::Ok, 12))));
        assert!(bypass.may_ask(Some(&health(Status::Ok, 12))), "it stays");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_hold_it_off() {
        let mut bypass = Bypass::default();
        bypass.fault(Some(&health(Status::Ok, 7)));
        let mut later = health(Status::Ok, 8);
        later.last_checked = Some(Timestamp::UNIX_EPOCH);
        assert!(bypass.may_ask(Some(&later)));
    }

    #[test]
    fn a_replaced_monitor_counts_anew_and_is_believed() {
        let mut bypass = Bypass::default();
        bypass.fault(Some(&health(Status::Ok, 7)));
        assert!(bypass.may_ask(Some(&health(Status::Ok, 1))));
    }

    #[test]
    fn each_fault_wants_a_check_of_its_own() {
        let mut bypass = Bypass::default();
        for check in 1..100 {
            let known = health(Status::Ok, check);
            assert!(bypass.may_ask(Some(&known)));
            bypass.fault(Some(&known));
            assert!(!bypass.may_ask(Some(&known)));
        }
        bypass.forget();
        assert!(bypass.may_ask(Some(&health(Status::Ok, 99))));
    }
}
