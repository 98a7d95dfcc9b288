//! One walk under callgrind.

use std::path::Path as File;
use std::process::Command;

use crate::Path;

const FEW: u32 = 100;
const MANY: u32 = 600;

/// Instructions of walking the path once.
pub(crate) fn instructions(path: Path) -> u64 {
    let few = total(path, FEW);
    let many = total(path, MANY);
    many.saturating_sub(few) / u64::from(MANY - FEW)
}

fn total(path: Path, times: u32) -> u64 {
    let name = path.name();
    let out = File::new(env!("CARGO_TARGET_TMPDIR")).join(format!("instructions-{name}.out"));
    let this = std::env::current_exe().expect("this runs");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--cache-sim=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(this)
        .args(["--walk", name, &times.to_string()])
        // Chance is the enemy of comparing.
        .env_clear()
        .output()
        .expect("valgrind can be started: install it (on Debian `apt-get install valgrind`)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} cannot be walked: {said}");
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    let count = line.and_then(|(_, count)| count.trim().parse().ok());
    count.unwrap_or_else(|| panic!("callgrind says no count: {said}"))
}
