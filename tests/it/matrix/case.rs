//! The rows: all of them, those that make no sense, and a sample.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::axes::{Dependency, Fault, Moment, POLICIES, Policy};
use super::model;

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    pub(super) dependency: Dependency,
    pub(super) fault: Fault,
    pub(super) moment: Moment,
    pub(super) policy: Policy,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dependency,
            fault,
            moment,
            policy,
        } = self;
        write!(f, "{dependency}/{fault}/{moment}/{policy}")
    }
}

/// How many rows the four lists have.
pub(super) const PRODUCT: usize =
    Dependency::ALL.len() * Fault::ALL.len() * Moment::ALL.len() * POLICIES.len();

fn product() -> impl Iterator<Item = Case> {
    let pairs = Dependency::ALL
        .into_iter()
        .flat_map(|dependency| Fault::ALL.map(|fault| (dependency, fault)));
    let triples = pairs.flat_map(|pair| Moment::ALL.map(|moment| (pair, moment)));
    triples.flat_map(|((dependency, fault), moment)| {
        POLICIES.map(|policy| Case {
            dependency,
            fault,
            moment,
            policy,
        })
    })
}

impl Case {
    /// Every row that makes sense.
    pub(super) fn all() -> Vec<Self> {
        let makes_sense = |case: &Self| model::effect(case.dependency, case.fault).is_ok();
        product().filter(makes_sense).collect()
    }

    /// Rows so that every two entries of different lists that may meet do meet,
    /// always the same: each one is the first of those that add the most and,
    /// of those, whose entries were used least.
    pub(super) fn sample() -> Vec<Self> {
        let all = Self::all();
        let mut open: BTreeSet<Pair> = all.iter().copied().flat_map(Self::pairs).collect();
        let mut used = BTreeMap::<Entry, usize>::new();
        let mut sample = Vec::new();
        while !open.is_empty() {
            let worth = |case: &&Self| {
                let adds = case.pairs().iter().filter(|p| open.contains(p)).count();
                let uses = case.entries().map(|entry| used.get(&entry).copied());
                let uses: usize = uses.into_iter().flatten().sum();
                (adds, Reverse(uses))
            };
            let best = all.iter().rev().max_by_key(worth).expect("there are rows");
            for pair in best.pairs() {
                open.remove(&pair);
            }
            for entry in best.entries() {
                *used.entry(entry).or_default() += 1;
            }
            sample.push(*best);
        }
        sample
    }

    fn entries(self) -> [Entry; 4] {
        [
            Entry::Dependency(self.dependency),
            Entry::Fault(self.fault),
            Entry::Moment(self.moment),
            Entry::Policy(self.policy),
        ]
    }

    fn pairs(self) -> [Pair; 6] {
        let entries = self.entries();
        [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
            .map(|(one, other)| (entries[one], entries[other]))
    }
}

type Pair = (Entry, Entry);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Dependency(Dependency),
    Fault(Fault),
    Moment(Moment),
    Policy(Policy),
}

#[test]
fn nothing_is_forgotten() {
    let excluded: usize = model::excluded().iter().map(|(_, _, _, rows)| rows).sum();
    assert_eq!(Case::all().len() + excluded, PRODUCT);
    assert!(Case::all().len() > PRODUCT * 3 / 4);
}

#[test]
fn the_sample_meets_every_pair() {
    let pairs = |cases: &[Case]| -> BTreeSet<Pair> {
        cases.iter().copied().flat_map(Case::pairs).collect()
    };
    let sample = Case::sample();
    assert_eq!(pairs(&sample), pairs(&Case::all()));
    assert!(sample.len() < 200, "{} rows are no sample", sample.len());
}
