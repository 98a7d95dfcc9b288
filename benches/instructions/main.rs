//! Counts the instructions of three paths that must stay short: a poll of
//! readiness, a check of a dependency, and the verification of a token.
//!
//! Times depend on the machine's mood, instructions hardly do: so they are
//! compared with the figures that are kept in `counts.toml`, and a path that
//! has become longer is an error. `etc/instructions` calls this and says how
//! the figures are renewed.
//!
//! Each path is run twice under callgrind, few times and many times; the
//! difference is free of what a start costs.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures are what this program is for"
)]

mod check;
mod counts;
mod readiness;
mod token;
mod valgrind;

use counts::Counts;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Readiness,
    Check,
    Token,
}

impl Path {
    const ALL: [Self; 3] = [Self::Readiness, Self::Check, Self::Token];

    fn name(self) -> &'static str {
        match self {
            Self::Readiness => "readiness",
            Self::Check => "check",
            Self::Token => "token",
        }
    }

    fn walk(self, times: u32) {
        match self {
            Self::Readiness => readiness::walk(times),
            Self::Check => check::walk(times),
            Self::Token => token::walk(times),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["--walk", name, times] = words[..] {
        let path = Path::ALL.into_iter().find(|path| path.name() == name);
        let times = times.parse().expect("it is a number");
        path.expect("it is one of them").walk(times);
        return;
    }
    if !words.contains(&"--bench") {
        eprintln!("nothing is counted: use `etc/instructions`");
        return;
    }
    let counted = Counts::of(Path::ALL.map(|path| (path.name(), valgrind::instructions(path))));
    if words.contains(&"--renew") {
        counted.keep();
        print!("{counted}");
        return;
    }
    let comparison = counted.compare(&Counts::kept());
    print!("{comparison}");
    if comparison.is_longer() {
        eprintln!(
            "a path has become longer; what takes its time is shown by \
             `callgrind_annotate target/tmp/instructions-PATH.out`. If that is worth it: \
             `etc/instructions --renew`"
        );
        std::process::exit(1);
    }
}
