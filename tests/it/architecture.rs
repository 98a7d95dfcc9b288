//! The import table of `ARCHITECTURE.md`, compared with the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Names = BTreeSet<String>;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file and the top-level module that it belongs to.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    module: String,
    pub(crate) text: String,
}

/// Every file under `src`, apart from `lib.rs`, which only lists modules.
pub(crate) fn sources() -> Vec<Source> {
    let root = project().join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(&root).expect("under src").to_path_buf();
            let first = relative.iter().next().expect("a name").to_string_lossy();
            let module = first.trim_end_matches(".rs").to_owned();
            if module == "lib" || path.extension().is_none_or(|end| end != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file");
            found.push(Source {
                path: relative,
                module,
                text,
            });
        }
    }
    assert!(found.len() > 20, "too few sources: {}", found.len());
    found
}

fn page(name: &str) -> String {
    let path = project().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {name}: {error}"))
}

/// The cells of the rows of tables that name something in backticks.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .filter(|cells: &Vec<&str>| cells[0].contains('`'))
        .collect()
}

/// The words that stand in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Module → the modules that it may import.
fn table() -> BTreeMap<String, Names> {
    let page = page("ARCHITECTURE.md");
    let after = page.split_once("\n## Imports\n").expect("the heading").1;
    let rows = rows(after.split("\n## ").next().unwrap_or_default());
    let all: Names = rows.iter().flat_map(|row| quoted(row[0])).collect();
    let mut table = BTreeMap::new();
    for row in &rows {
        let allowed: Names = match row[1] {
            "none of ours" => Names::new(),
            "everything" => all.clone(),
            cell => quoted(cell).collect(),
        };
        assert!(
            allowed.is_subset(&all) && (!allowed.is_empty() || row[1] == "none of ours"),
            "a cell that names no modules: {}",
            row[1]
        );
        for module in quoted(row[0]) {
            let twice = table.insert(module, allowed.clone());
            assert!(twice.is_none(), "a module stands twice: {}", row[0]);
        }
    }
    table
}

/// The top-level modules that a line or a group names behind `crate::`.
fn imports(text: &str) -> Names {
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut names = Names::new();
    for (at, root) in code.match_indices("crate::") {
        // `$crate::` of a macro is the crate; `some_crate::` is another word.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let path = &code[at + root.len()..];
        match path.strip_prefix('{') {
            Some(group) => names.extend(members(group)),
            None => names.extend(first_name(path)),
        }
    }
    names
}

/// The first names of the members of a group, up to its closing brace.
fn members(group: &str) -> Names {
    let mut names = Names::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(first_name(&group[begin..at]));
                begin = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let path = path.trim_start();
    let end = path
        .find(|c: char| !c.is_ascii_lowercase() && c != '_')
        .unwrap_or(path.len());
    Some(path[..end].to_owned()).filter(|name| !name.is_empty())
}

/// Whether a chain of `super::` leaves the module: that would be an import
/// that the table cannot see. Inline modules are one level deeper than their
/// file, and rustfmt indents them.
fn climbs_out(source: &Source) -> bool {
    let depth = source.path.iter().count();
    source.text.lines().any(|line| {
        let inline = usize::from(line.starts_with(' '));
        line.split(|c: char| c.is_whitespace() || matches!(c, '(' | '<' | '&'))
            .any(|word| word.matches("super::").count() >= depth + inline)
    })
}

#[test]
fn imports_are_read_as_rust_reads_them() {
    let text = "use crate::{a, b::{c, d}, e::f};\nuse crate::g::H;\n// crate::not\n\
                let x = crate::i::j(); other_crate::k::l();";
    let expected = ["a", "b", "e", "g", "i"].map(str::to_owned);
    assert_eq!(imports(text), expected.into());
    assert_eq!(
        imports("use crate::{\n    a,\n    b,\n};"),
        ["a", "b"].map(str::to_owned).into()
    );
}

#[test]
fn modules_import_only_what_the_architecture_allows() {
    let table = table();
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.display();
        // The binary is a crate of its own and sees the library by its name.
        let text = match source.module.as_str() {
            "main" => source.text.replace("budgetd::", "crate::"),
            _ => source.text.clone(),
        };
        let Some(allowed) = table.get(&source.module) else {
            wrong.push(format!(
                "{path}: `{}` does not stand in the table",
                source.module
            ));
            continue;
        };
        for import in imports(&text) {
            if import != source.module && !allowed.contains(&import) {
                wrong.push(format!(
                    "{path}: `{}` may not import `{import}`",
                    source.module
                ));
            }
        }
        if climbs_out(&source) {
            wrong.push(format!(
                "{path}: an import through `super::` leaves the module; write `crate::`"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "against ARCHITECTURE.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_table_names_no_module_that_does_not_exist() {
    let existing: Names = sources().into_iter().map(|source| source.module).collect();
    let named: Names = table().into_keys().collect();
    let gone: Vec<&String> = named.difference(&existing).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names {gone:?}");
}

#[test]
fn the_table_allows_no_circle() {
    let mut table = table();
    // A module that imports nothing that is left cannot be part of a circle.
    loop {
        let free: Vec<String> = table
            .iter()
            .filter(|(name, imports)| {
                imports
                    .iter()
                    .all(|other| other == *name || !table.contains_key(other))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        table.retain(|name, _| !free.contains(name));
    }
    assert!(
        table.is_empty(),
        "these may import each other: {:?}",
        table.keys()
    );
}
