//! The fault matrix: every fault that a dependency can suffer, at every moment
//! of the daemon's life, under every policy, against real servers.
//!
//! The rows are the product of four lists, so none can be forgotten; what makes
//! no sense is left out by a rule that says why. What each row must come to
//! follows from [`model`], which knows the daemon's promises and nothing of the
//! daemon. A private proxy stands between the daemon of a row and a server that
//! rows share; only who is killed, frozen or stopped is a row's own.
//!
//! `etc/fault-matrix` plays all of it; [`sample`](a_sample_of_the_matrix) meets
//! every two entries of different lists together once.

mod axes;
mod bounds;
mod case;
mod load;
mod model;
mod observe;
mod play;
mod report;
mod run;
mod servers;
mod site;

use case::Case;

/// Named by what its rows have to hold, all of these words.
const FILTER: &str = "BUDGETD_FAULT_MATRIX";

#[test]
fn a_sample_of_the_matrix() {
    run::all(&Case::sample(), "fault-matrix-sample");
}

#[test]
#[ignore = "takes long: etc/fault-matrix"]
fn the_whole_matrix() {
    let words = std::env::var(FILTER).unwrap_or_default();
    let mut cases = Case::all();
    cases.retain(|case| {
        let row = case.to_string();
        words.split_whitespace().all(|word| row.contains(word))
    });
    run::all(&cases, "fault-matrix");
}
