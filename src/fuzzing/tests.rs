//! The kept inputs, once each, and others that are made up from them.
//!
//! What a fuzzer finds with its sight of the code, this finds now and then by
//! chance; but it needs no other toolchain.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

/// The longest input that is made up, in bytes.
const LONGEST: usize = 4_096;

/// How many are made up of each target.
const SAMPLE: u64 = 300;

/// What is worth putting anywhere.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"%00",
    b"%",
    b"\"",
    b"'",
    b"\\",
    b"@",
    b":",
    b"/",
    b"?",
    b"#",
    b"&",
    b"=",
    b",",
    b";",
    b"[",
    b"]",
    b"{",
    b"}",
    b" ",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"1e400",
    b"null",
    b"Tr0ub4dor-3-xyzzy",
    b"content-length: 3\r\n",
    b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n",
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The seeds of a target, and what a fuzzer has added to them.
fn kept(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = files(&folder("seeds").join(target));
    let found = folder("corpus").join(target);
    if found.exists() {
        paths.extend(files(&found));
    }
    let read = |path: PathBuf| (path.clone(), fs::read(path).unwrap());
    paths.into_iter().map(read).collect()
}

/// Replays all inputs of a target, some of which are taken and some are not:
/// inputs that all end alike would prove little.
fn replay(target: &str, run: fn(&[u8]) -> bool) {
    let (mut taken, mut refused) = (0, 0);
    for (path, bytes) in kept(target) {
        let Ok(is_taken) = std::panic::catch_unwind(|| run(&bytes)) else {
            panic!("{} breaks a promise, see above", path.display());
        };
        *if is_taken { &mut taken } else { &mut refused } += 1;
    }
    assert!(
        taken > 0 && refused > 0,
        "{target}: {taken} inputs are taken, {refused} refused"
    );
}

fn make_up(rng: &mut SmallRng, kept: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let pick = |rng: &mut SmallRng| kept[rng.random_range(0..kept.len())].1.clone();
    let mut bytes = pick(rng);
    for _ in 0..rng.random_range(1..=5) {
        let at = rng.random_range(0..=bytes.len());
        let end = (at + rng.random_range(0..=16)).min(bytes.len());
        match rng.random_range(0..7) {
            0 if at < end => bytes[at] = rng.random(),
            1 if at < end => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let other = pick(rng);
                let from = rng.random_range(0..=other.len());
                let to = (from + rng.random_range(0..=64)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            5 => bytes.truncate(at),
            _ => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

/// Runs what follows from a seed; one that breaks a promise is named by it.
fn run_made_up(target: &str, run: fn(&[u8]) -> bool, kept: &[(PathBuf, Vec<u8>)], seed: u64) {
    let bytes = make_up(&mut SmallRng::seed_from_u64(seed), kept);
    let broken = std::panic::catch_unwind(|| run(&bytes)).is_err();
    assert!(
        !broken,
        "{target}: an input that is made up from seed {seed} breaks a promise, see above: \"{}\"",
        bytes.escape_ascii()
    );
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn kept_inputs() {
                    super::replay(stringify!($name), crate::fuzzing::$name);
                }

                #[test]
                fn made_up_inputs() {
                    let kept = super::kept(stringify!($name));
                    for seed in 0..super::SAMPLE {
                        super::run_made_up(stringify!($name), crate::fuzzing::$name, &kept, seed);
                    }
                }
            }
        )*

        const TARGETS: &[(&str, fn(&[u8]) -> bool)] =
            &[$((stringify!($name), crate::fuzzing::$name)),*];
    };
}

targets! {
    configuration
    csv
    front
    json
    key_set
    readiness
    token
    url
    variables
}

#[test]
fn every_target_has_a_program() {
    let known: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    for kept in ["fuzz_targets", "seeds"] {
        let paths = files(&folder(kept));
        let found: Vec<_> = paths.iter().map(|path| path.file_stem().unwrap()).collect();
        assert_eq!(found, known, "fuzz/{kept}");
    }
}

/// Half a minute for each target, with other inputs each time.
#[test]
#[ignore = "takes minutes"]
fn many_made_up_inputs() {
    for (target, run) in TARGETS {
        let kept = kept(target);
        let (began, mut count) = (Instant::now(), 0_u64);
        while began.elapsed() < Duration::from_secs(30) {
            run_made_up(target, *run, &kept, rand::random());
            count += 1;
        }
        println!("{target}: {count} inputs");
    }
}
