//! The files under `etc`, as they are shipped but for what a test cannot share
//! with others: ports, and the pace of things.

use std::path::Path;

use super::process;

/// A shipped file in which each of `changes` is made; it must hold them all.
pub(super) fn shipped(file: &str, changes: &[(&str, String)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(file);
    let mut text = std::fs::read_to_string(path).expect("the file is shipped");
    for (shipped, ours) in changes {
        assert!(text.contains(shipped), "{file} does not say {shipped}");
        text = text.replace(shipped, ours);
    }
    text
}

/// Writes a file for a server to read, and answers with its path.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the folder is writable");
    process::give_away(&path);
    path.display().to_string()
}
