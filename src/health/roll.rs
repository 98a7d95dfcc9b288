//! Every dependency in start order, with what they add up to.
//!
//! One of them changes with each check, and every reader may hold an older
//! roll: so it shares structure with the one before, and what a change costs
//! hardly depends on how many there are.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rpds::{RedBlackTreeSetSync, VectorSync};

use super::readiness::Tally;
use super::{DependencyHealth, Status};
use crate::dependency::Name;

/// The dependencies of a graph: found by place or name, and counted.
#[derive(Clone, PartialEq)]
pub struct Roll {
    /// A dependency stands behind everything it needs.
    all: VectorSync<Arc<DependencyHealth>>,
    places: Arc<HashMap<Name, usize>>,
    /// Where those stand that count and are not `ok`.
    wrong: RedBlackTreeSetSync<usize>,
    tally: Tally,
}

impl Roll {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<DependencyHealth>> {
        self.all.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Arc<DependencyHealth>> {
        self.all.get(*self.places.get(name)?)
    }

    /// How many stand before it.
    pub fn place(&self, name: &Name) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Those that count and are not `ok`, in start order.
    pub fn wrong(&self) -> impl Iterator<Item = &Arc<DependencyHealth>> {
        self.wrong.iter().filter_map(|&place| self.all.get(place))
    }

    /// Those that count and are not `ok`, and those of these names: in start
    /// order, and each once.
    pub fn wrong_and(&self, names: &[&str]) -> Vec<&Arc<DependencyHealth>> {
        let named = names.iter().filter_map(|&name| self.places.get(name));
        let mut places: Vec<usize> = self.wrong.iter().chain(named).copied().collect();
        places.sort_unstable();
        places.dedup();
        let there = places.into_iter().filter_map(|place| self.all.get(place));
        there.collect()
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Puts what is known now of a dependency in the place of what was known.
    /// One that is not on the roll is not put there.
    pub fn update(&mut self, now: Arc<DependencyHealth>) {
        let Some(&place) = self.places.get(&now.name) else {
            return;
        };
        let Some(before) = self.all.get(place) else {
            return;
        };
        self.tally.forget(before.policy, before.status);
        self.tally.count(now.policy, now.status);
        match (is_wrong(before), is_wrong(&now)) {
            (false, true) => self.wrong.insert_mut(place),
            (true, false) => {
                self.wrong.remove_mut(&place);
            }
            _ => {}
        }
        self.all.set_mut(place, now);
    }
}

fn is_wrong(dependency: &DependencyHealth) -> bool {
    dependency.status.counts() && dependency.status != Status::Ok
}

impl Default for Roll {
    fn default() -> Self {
        Self::from_iter([])
    }
}

/// In start order.
impl FromIterator<Arc<DependencyHealth>> for Roll {
    fn from_iter<I: IntoIterator<Item = Arc<DependencyHealth>>>(dependencies: I) -> Self {
        let all: VectorSync<_> = dependencies.into_iter().collect();
        let placed = || all.iter().zip(0..);
        Self {
            places: Arc::new(placed().map(|(d, place)| (d.name.clone(), place)).collect()),
            wrong: placed()
                .filter(|(d, _)| is_wrong(d))
                .map(|(_, place)| place)
                .collect(),
            tally: all.iter().collect(),
            all,
        }
    }
}

impl fmt::Debug for Roll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
