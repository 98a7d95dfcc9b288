//! `docs/performance.md`: prose by hand, and between marks what was measured.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::section::Section;

/// What the document is before anything was measured.
const SKELETON: &str = include_str!("skeleton.md");

/// Replaces what was measured for one section, and its plots.
pub(crate) fn renew(name: &str, machine: &str, section: &Section) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let path = docs.join("performance.md");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => SKELETON.to_owned(),
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    };
    let measured = format!("{section}\n{machine}\n");
    let renewed = between_marks(&text, name, &measured)
        .unwrap_or_else(|| panic!("{} has no marks of {name}", path.display()));
    write(&path, renewed.as_bytes());
    for plot in &section.plots {
        let path = docs.join(format!("performance/{}.svg", plot.name));
        write(&path, plot.svg().as_bytes());
    }
}

fn between_marks(text: &str, name: &str, measured: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- measured: {name} -->\n"),
        format!("<!-- end: {name} -->"),
    );
    let from = text.find(&begin)? + begin.len();
    let to = from + text[from..].find(&end)?;
    Some(format!("{}\n{measured}\n{}", &text[..from], &text[to..]))
}

fn write(path: &PathBuf, bytes: &[u8]) {
    let folder = path.parent().expect("it is in a folder");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}
