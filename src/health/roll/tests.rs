use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::dependency::{Kind, Policy};

fn dependency(place: usize, policy: Policy, status: Status) -> Arc<DependencyHealth> {
    let name = format!("d{place}").parse().unwrap();
    Arc::new(DependencyHealth {
        status,
        ..DependencyHealth::unknown(name, Kind::Tcp, policy, Timestamp::UNIX_EPOCH)
    })
}

fn names<'a>(dependencies: impl IntoIterator<Item = &'a Arc<DependencyHealth>>) -> Vec<&'a str> {
    let name = |dependency: &'a Arc<DependencyHealth>| dependency.name.as_str();
    dependencies.into_iter().map(name).collect()
}

fn seen() -> impl Strategy<Value = (Policy, Status)> {
    (select(&Policy::ALL[..]), select(&Status::ALL[..]))
}

proptest! {
    /// However it came to be what it is: it is what one would be that is made
    /// anew, and the older one has not changed.
    #[test]
    fn updates_lead_where_a_new_roll_begins(
        first in prop::collection::vec(seen(), 1..150),
        changes in prop::collection::vec((any::<prop::sample::Index>(), seen()), 0..100),
    ) {
        let mut expected: Vec<_> = first
            .iter()
            .enumerate()
            .map(|(place, (policy, status))| dependency(place, *policy, *status))
            .collect();
        let mut roll = Roll::from_iter(expected.clone());
        let (older, before) = (roll.clone(), expected.clone());
        for (index, (policy, status)) in changes {
            let place = index.index(expected.len());
            expected[place] = dependency(place, policy, status);
            roll.update(expected[place].clone());
        }
        for (roll, expected) in [(&roll, &expected), (&older, &before)] {
            prop_assert!(roll.iter().eq(expected));
            prop_assert_eq!(roll.len(), expected.len());
            prop_assert_eq!(roll, &Roll::from_iter(expected.clone()));
            let wrong = expected.iter().filter(|d| is_wrong(d));
            prop_assert!(roll.wrong().eq(wrong));
            for status in Status::ALL {
                let count = expected.iter().filter(|d| d.status == status).count();
                prop_assert_eq!(roll.tally().of(status), count);
            }
        }
    }
}

#[test]
fn one_is_found_by_its_name_and_a_stranger_is_not_let_in() {
    let mut roll = Roll::from_iter([dependency(0, Policy::Required, Status::Ok)]);
    assert_eq!(roll.get("d0").map(|found| found.status), Some(Status::Ok));
    assert!(roll.get("d1").is_none());
    let place = |name: &str| roll.place(&name.parse().unwrap());
    assert_eq!((place("d0"), place("d1")), (Some(0), None));
    roll.update(dependency(1, Policy::Required, Status::Error));
    assert_eq!((roll.len(), names(roll.wrong())), (1, vec![""; 0]));
    assert!(roll.tally().verdict().all_up);
    assert!(!roll.is_empty() && Roll::default().is_empty());
}

#[test]
fn what_is_wrong_stands_among_what_is_asked_for_in_start_order() {
    let of = |(place, status)| dependency(place, Policy::Optional, status);
    let statuses = [
        Status::Error,
        Status::Ok,
        Status::Disabled,
        Status::Failing,
        Status::Blocked,
    ];
    let roll: Roll = statuses.into_iter().enumerate().map(of).collect();
    assert_eq!(names(roll.wrong()), ["d0", "d3", "d4"]);
    let told = roll.wrong_and(&["d4", "d2", "stranger", "d2"]);
    assert_eq!(names(told), ["d0", "d2", "d3", "d4"]);
}
