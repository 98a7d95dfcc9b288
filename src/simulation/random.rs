//! Histories by chance, from a seed.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::history::{Act, Change, History, Mode, Op, Part};
use super::tally::LARGE;
use crate::config::Checks;
use crate::dependency::{ErrorKind, Policy};
use crate::signals::Signal;
use crate::supervisor::inside::Urgency;

/// Most histories are small, because a small one has the same corners; some
/// are as large as a graph may sensibly be.
fn size(rng: &mut SmallRng) -> usize {
    match rng.random_range(0..10_000) {
        0..=1 => LARGE,
        2..=12 => rng.random_range(20..=60),
        13..=500 => rng.random_range(6..=12),
        _ => rng.random_range(1..=5),
    }
}

impl History {
    pub(super) fn random(seed: u64) -> Self {
        let rng = &mut SmallRng::seed_from_u64(seed);
        let size = size(rng);
        let parts: Vec<Part> = (0..size).map(|number| part(number, size, rng)).collect();
        let parts = strong_enough(parts);
        let mut history = Self {
            seed,
            parts,
            drain_delay: millis(rng, &[0, 100, 400]),
            drain_timeout: millis(rng, &[0, 200, 700]),
            exits_on_loss: rng.random_bool(0.1),
            ops: Vec::new(),
        };
        let mut at = Duration::ZERO;
        // What is wrong from the beginning comes first.
        for number in 0..size + NEW_PORTS {
            if rng.random_bool(0.25) {
                let act = Act::Serve(port_of(number), mode(rng));
                history.ops.push(Op { at, act });
            }
        }
        if rng.random_bool(0.1) {
            let act = Act::Dawdle(millis(rng, &[50, 1_000]));
            history.ops.push(Op { at, act });
        }
        if rng.random_bool(0.02) {
            history.ops.extend(haunted(size, rng));
        }
        for _ in 0..rng.random_range(2..=14) {
            at += millis(rng, &[0, 1, 30, 100, 101, 400, 1_500]);
            let act = act(size, rng);
            history.ops.push(Op { at, act });
        }
        history.ops.sort_by_key(|op| op.at);
        history
    }
}

/// One monitor panics again and again, or many fall silent.
fn haunted(size: usize, rng: &mut SmallRng) -> Vec<Op> {
    let second = Duration::from_secs(1);
    if rng.random_bool(0.5) {
        let panics = (0..8).map(|times| Op {
            at: times * 3 * second,
            act: Act::Panic(0),
        });
        return panics.collect();
    }
    let all = (0..size).map(|number| Op {
        at: second,
        act: Act::Wedge(number),
    });
    all.collect()
}

fn part(number: usize, size: usize, rng: &mut SmallRng) -> Part {
    let most = if size > 20 { 2 } else { 3 };
    let mut needs = Vec::new();
    for _ in 0..rng.random_range(0..=most) {
        // Names are not in start order: a need may stand behind its dependent.
        let need = rng.random_range(0..size);
        if rank(need, size) < rank(number, size) && !needs.contains(&need) {
            needs.push(need);
        }
    }
    Part {
        number,
        policy: policy(rng),
        needs,
        port: rng.random_bool(0.95).then_some(port_of(number)),
        checks: checks(rng),
    }
}

/// An order without cycles that is not that of the configuration.
fn rank(number: usize, size: usize) -> usize {
    (number * 7 + 3) % (size * 7 + 1) * 11 % 97 * size + number
}

/// Addresses that only a reload brings in.
const NEW_PORTS: usize = 4;

fn port_of(number: usize) -> u16 {
    u16::try_from(number).expect("a small number")
}

fn policy(rng: &mut SmallRng) -> Policy {
    let all = [
        Policy::Required,
        Policy::Required,
        Policy::Startup,
        Policy::Optional,
        Policy::Optional,
        Policy::Disabled,
    ];
    *all.choose(rng).expect("not empty")
}

/// Needs of what gates must gate as well, and a required one needs an address:
/// such a graph would be refused before anything starts.
fn strong_enough(mut parts: Vec<Part>) -> Vec<Part> {
    for part in &mut parts {
        if part.policy == Policy::Required && part.port.is_none() {
            part.policy = Policy::Optional;
        }
    }
    let policies: Vec<Policy> = parts.iter().map(|part| part.policy).collect();
    for part in &mut parts {
        let own = part.policy;
        part.needs
            .retain(|need| !own.gates() || policies[*need] >= own);
    }
    parts
}

fn checks(rng: &mut SmallRng) -> Checks {
    Checks {
        interval: millis(rng, &[1_000, 4_000]),
        fast_interval: millis(rng, &[100, 400, 700]),
        max_backoff: millis(rng, &[500, 2_000]),
        jitter: *[0.0, 0.1, 1.0].choose(rng).expect("not empty"),
        connect_timeout: millis(rng, &[200, 1_000, 2_000]),
        timeout: millis(rng, &[300, 2_000]),
        fall: rng.random_range(1..=3),
        rise: rng.random_range(1..=3),
        startup_deadline: rng
            .random_bool(0.5)
            .then(|| millis(rng, &[500, 3_000, 8_000])),
    }
}

fn mode(rng: &mut SmallRng) -> Mode {
    match rng.random_range(0..10) {
        0..=3 => Mode::Up(millis(rng, &[0, 1, 50, 250])),
        4..=6 => Mode::Fails(*ErrorKind::ALL.choose(rng).expect("not empty")),
        7 | 8 => Mode::Hangs,
        _ => Mode::Full,
    }
}

fn act(size: usize, rng: &mut SmallRng) -> Act {
    let number = rng.random_range(0..size);
    let port = port_of(if rng.random_bool(0.1) {
        rng.random_range(0..size + NEW_PORTS)
    } else {
        number
    });
    match rng.random_range(0..100) {
        0..=24 => Act::Serve(port, mode(rng)),
        25..=34 => Act::Kill(port),
        35..=39 => Act::Cut(port),
        40..=45 => Act::Panic(number),
        46..=48 => Act::Wedge(number),
        49..=54 => Act::Look(rng.random_bool(0.6).then_some(number), urgency(rng)),
        55..=76 => Act::Hangup(changes(size, rng)),
        77..=80 => Act::Stop(
            *[Signal::Terminate, Signal::Interrupt]
                .choose(rng)
                .expect("2"),
        ),
        81..=88 => Act::Freeze(millis(rng, &[900, 1_900, 2_500, 3_100, 20_000, 600_000])),
        89..=91 => Act::SetClock(*[-7_200, -5, 60, 86_400].choose(rng).expect("not empty")),
        92..=94 => Act::Dawdle(millis(rng, &[0, 50, 1_000])),
        _ => Act::Request(millis(rng, &[10, 300, 60_000])),
    }
}

fn urgency(rng: &mut SmallRng) -> Urgency {
    if rng.random_bool(0.5) {
        Urgency::Hint
    } else {
        Urgency::Operator
    }
}

fn changes(size: usize, rng: &mut SmallRng) -> Vec<Change> {
    (0..rng.random_range(0..=3))
        .map(|_| {
            let number = rng.random_range(0..size);
            match rng.random_range(0..7) {
                0 => Change::Policy(number, policy(rng)),
                1 | 2 => Change::Move(number, rng.random_bool(0.8).then(|| new_port(size, rng))),
                3 => Change::Edge(number, rng.random_range(0..size)),
                4 => Change::Checks(number, checks(rng)),
                5 => Change::Remove(number),
                _ => {
                    let mut part = part(number, size, rng);
                    part.number = size + rng.random_range(0..2);
                    part.port = Some(new_port(size, rng));
                    Change::Add(part)
                }
            }
        })
        .collect()
}

/// The address of a server that only a reload brings in, or a known one.
fn new_port(size: usize, rng: &mut SmallRng) -> u16 {
    port_of(rng.random_range(0..size + NEW_PORTS))
}

fn millis(rng: &mut SmallRng, choice: &[u64]) -> Duration {
    let base = *choice.choose(rng).expect("not empty");
    // Round numbers meet in the same instant, others do not.
    let more = if rng.random_bool(0.5) {
        0
    } else {
        rng.random_range(0..=base / 7)
    };
    Duration::from_millis(base + more)
}
