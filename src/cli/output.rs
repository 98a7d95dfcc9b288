//! What commands print. A reader that went away (`budgetd check | head`) ends
//! the printing, not the program.

use std::io::{self, IsTerminal, Write};

/// Prints a line for people or scripts on stdout.
pub(super) fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints text as it is on stdout. The answer is whether anyone reads it.
pub(super) fn text(text: &str) -> bool {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
}

/// Says on stderr what went wrong.
pub(super) fn error(text: &str) {
    let _ = writeln!(io::stderr().lock(), "budgetd: {text}");
}

/// Says on stderr everything that is wrong with a configuration.
pub(super) fn problems(problems: &[String]) {
    let count = match problems.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    };
    error(&format!("the configuration is invalid, {count}:"));
    for problem in problems {
        let _ = writeln!(io::stderr().lock(), "  - {problem}");
    }
}

/// Whether to print colours: on a terminal, unless `NO_COLOR` is set
/// (<https://no-color.org>).
pub(super) fn coloured() -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !declined
}
