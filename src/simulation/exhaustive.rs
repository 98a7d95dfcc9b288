//! All interleavings of a small world: three dependencies, their monitors, the
//! gate, a reload and shutdown, over the very core that runs in production.
//!
//! Where the simulation takes chances, this takes every way. Time is that of
//! the core, and what tells two states apart is what lies ahead: instants
//! count relative to now, and neither do counters that only grow.

use stateright::{Checker, HasDiscoveries, Model, Property};

mod model;

mod recovery;

mod state;

mod worlds;

use model::World;
use state::State;

fn holds(world: &World) {
    let checker = world
        .clone()
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    println!(
        "{}: {} states, {} steps, {} deep, up after {:?} of {:?}",
        world.name,
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth(),
        world.recovery.longest_of_all(),
        world.bound(),
    );
    for property in world.properties() {
        let Some(path) = checker.discovery(property.name) else {
            let sought = matches!(property.expectation, stateright::Expectation::Sometimes);
            assert!(!sought, "{}: never seen: {}", world.name, property.name);
            continue;
        };
        if matches!(property.expectation, stateright::Expectation::Always) {
            let last = path.last_state().explain(world).unwrap_or_default();
            let steps: Vec<String> = path
                .into_actions()
                .iter()
                .map(|a| format!("{a:?}"))
                .collect();
            panic!(
                "{}: \"{}\" does not hold: {last}\nafter {}",
                world.name,
                property.name,
                steps.join(", ")
            );
        }
    }
}

fn always(name: &'static str, condition: fn(&World, &State) -> bool) -> Property<World> {
    Property::always(name, condition)
}

fn sometimes(name: &'static str, condition: fn(&World, &State) -> bool) -> Property<World> {
    Property::sometimes(name, condition)
}

#[test]
fn a_chain() {
    holds(&worlds::chain());
}

#[test]
fn two_that_need_one() {
    holds(&worlds::fork());
}

/// Some minutes: `cargo test --release --lib exhaustive:: -- --ignored`.
#[test]
#[ignore = "some minutes"]
fn monitors_that_break() {
    for world in [worlds::chain(), worlds::fork(), worlds::reload()] {
        holds(&world.with_breaks(1));
    }
}

#[test]
fn one_that_needs_two() {
    holds(&worlds::join());
}

#[test]
fn a_reload() {
    holds(&worlds::reload());
}

/// The same with a third dependency; it has 192,000 states.
#[test]
fn a_reload_of_three() {
    holds(&worlds::reload_of_three());
}
