//! Decisions that need no monitor to be seen.

use super::*;
use crate::config::{Address, Checks, Target};
use crate::dependency::{ErrorKind, Failure, Kind, Passed, Policy};
use crate::health::Status;
use crate::supervisor::decision::Urgency;
use crate::supervisor::monitor::{Checked, Report};
use crate::supervisor::reload::Applied;

mod checks;
mod gaps;
mod reload;
mod told;

fn core() -> (Core, Instant) {
    let dependency = Dependency {
        name: "a".parse().unwrap(),
        kind: Kind::Tcp,
        policy: Policy::Required,
        needs: Vec::new(),
        target: Some(Target::Tcp(Address::Tcp {
            host: "scripted".into(),
            port: 1,
        })),
        checks: Checks::default(),
    };
    let graph = Graph::build(std::slice::from_ref(&dependency)).unwrap();
    let began = Instant::now();
    (Core::new(vec![dependency], &graph, 7, at(began)), began)
}

/// `a`, and `b`, which needs it: nodes 0 and 1.
fn pair() -> (Core, Instant) {
    let (core, began) = core();
    let a = core.nodes[&NodeId(0)].config.clone();
    let b = Dependency {
        name: "b".parse().unwrap(),
        needs: vec![a.name.clone()],
        ..a.clone()
    };
    let dependencies = vec![a, b];
    let graph = Graph::build(&dependencies).unwrap();
    (Core::new(dependencies, &graph, 7, at(began)), began)
}

fn at(instant: Instant) -> Now {
    Now {
        instant,
        wall: Timestamp::UNIX_EPOCH,
    }
}

fn report(generation: u32, result: Result<(), ErrorKind>, overslept: bool) -> Input {
    report_of(0, generation, result, overslept)
}

fn report_of(node: u32, generation: u32, result: Result<(), ErrorKind>, overslept: bool) -> Input {
    let result = match result {
        Ok(()) => Ok(Passed {
            latency: Duration::ZERO,
            note: None,
        }),
        Err(kind) => Err(Failure::new(kind, "scripted")),
    };
    let checked = Checked {
        result,
        took: Duration::ZERO,
        connected: true,
        renewal_failure: None,
        overslept,
    };
    Input::Report {
        node: NodeId(node),
        generation,
        report: Report::Checked(checked),
    }
}

fn status(core: &Core) -> Status {
    core.nodes[&NodeId(0)].status()
}

fn checks_ordered(outputs: &[Output]) -> usize {
    let ordered = |output: &&Output| matches!(output, Output::Check { .. });
    outputs.iter().filter(ordered).count()
}
