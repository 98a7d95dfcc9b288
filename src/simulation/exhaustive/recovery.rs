//! Whether everything comes up once faults stop, in whatever order servers
//! answer, the daemon looks and time passes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::model::World;
use super::state::State;

/// The longest way up from each state that was asked about. Ways meet again
/// and again, and every thread may ask.
#[derive(Debug, Clone, Default)]
pub(super) struct Recovery(Arc<Mutex<HashMap<u64, Duration>>>);

impl Recovery {
    /// Every fair way from here leads up within the bound.
    pub(super) fn of(world: &World, state: &State) -> Result<(), String> {
        if !state.may_recover() {
            return Ok(());
        }
        let longest = world.recovery.longest(state, &mut HashSet::new())?;
        if longest > world.bound() {
            return Err(format!("it comes up after {longest:?} only"));
        }
        Ok(())
    }

    /// The longest of all ways found.
    pub(super) fn longest_of_all(&self) -> Duration {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().copied().max().unwrap_or_default()
    }

    fn longest(&self, state: &State, way: &mut HashSet<u64>) -> Result<Duration, String> {
        if state.has_recovered()? {
            return Ok(Duration::ZERO);
        }
        let here = state.fingerprint();
        if let Some(longest) = self.known(here) {
            return Ok(longest);
        }
        if !way.insert(here) {
            return Err("it goes round and round, and does not come up".to_owned());
        }
        let steps = state.fair_steps();
        if steps.is_empty() {
            return Err("nothing will ever happen any more".to_owned());
        }
        let mut longest = Duration::ZERO;
        for step in steps {
            let (next, passed) = state.after(step);
            longest = longest.max(passed + self.longest(&next, way)?);
        }
        way.remove(&here);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(here, longest);
        Ok(longest)
    }

    fn known(&self, state: u64) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&state).copied()
    }
}
