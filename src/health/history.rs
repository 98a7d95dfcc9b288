//! What happened lately, within bounds: whoever looks after an incident still
//! sees it.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::DependencyHealth;
use super::machine::Transition;

/// Checks that are remembered of each dependency: ten minutes at the usual
/// interval, and half a kilobyte.
const MAX_LATENCIES: usize = 120;
/// Transitions that are remembered of the whole graph.
const MAX_MOMENTS: usize = 100;
/// And of one dependency: one that flaps does not make the others forgotten.
const MAX_OF_ONE: usize = 20;

/// How long the last checks of a dependency took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Latencies {
    /// In microseconds; `None` for one or more checks in a row that failed.
    samples: VecDeque<Option<NonZeroU32>>,
    taken: u64,
}

impl Latencies {
    pub fn passed(&mut self, latency: Duration) {
        let micros = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.take(Some(NonZeroU32::new(micros).unwrap_or(NonZeroU32::MIN)));
    }

    /// Failures come in quick succession: one gap stands for all in a row.
    pub fn failed(&mut self) {
        if self.samples.back() != Some(&None) {
            self.take(None);
        }
    }

    fn take(&mut self, sample: Option<NonZeroU32>) {
        if self.samples.len() == MAX_LATENCIES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.taken += 1;
    }

    /// How many samples there have ever been.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Those after the first `seen` that are still remembered, oldest first.
    pub fn after(&self, seen: u64) -> impl Iterator<Item = Option<Duration>> {
        // Who has seen more than there are has seen those of another life.
        let new = self.taken.checked_sub(seen).unwrap_or(self.taken);
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        let old = self.samples.len().saturating_sub(new);
        let micros = |sample: NonZeroU32| Duration::from_micros(sample.get().into());
        self.samples
            .range(old..)
            .map(move |sample| sample.map(micros))
    }
}

/// A transition, and the dependency as it left it.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// Grows by one with each.
    pub number: u64,
    pub at: Timestamp,
    pub transition: Transition,
    pub dependency: Arc<DependencyHealth>,
}

/// The last transitions of the graph.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    moments: VecDeque<Moment>,
    happened: u64,
}

impl Timeline {
    pub fn note(
        &mut self,
        at: Timestamp,
        transition: Transition,
        dependency: Arc<DependencyHealth>,
    ) {
        let mut of_one = self
            .moments
            .iter()
            .filter(|m| m.dependency.name == dependency.name);
        if of_one.clone().count() >= MAX_OF_ONE {
            let oldest = of_one.next().map(|moment| moment.number);
            self.moments.retain(|moment| Some(moment.number) != oldest);
        } else if self.moments.len() == MAX_MOMENTS {
            self.moments.pop_front();
        }
        self.happened += 1;
        self.moments.push_back(Moment {
            number: self.happened,
            at,
            transition,
            dependency,
        });
    }

    /// How many transitions there have ever been.
    pub fn happened(&self) -> u64 {
        self.happened
    }

    /// Those after the first `seen` that are still remembered, oldest first.
    pub fn after(&self, seen: u64) -> impl Iterator<Item = &Moment> {
        self.moments
            .iter()
            .filter(move |moment| moment.number > seen)
    }
}

#[cfg(test)]
mod tests;
