//! Files of variables: `NAME=value` lines, read as systemd reads an
//! `EnvironmentFile=` (systemd.exec(5)) in all that is in common use.
//!
//! Nothing is expanded. A `$` in a password means itself, and what a file
//! says does not hang on the environment of whoever reads it.

/// A variable, or the number of a line that is none.
pub(super) type Entry = Result<(String, String), usize>;

/// Every variable of `text` in order. Blank lines and comments (`#`, `;`) are
/// skipped, `export ` in front of a name is accepted.
pub(super) fn parse(text: &str) -> Vec<Entry> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                return None;
            }
            Some(variable(line).ok_or(index + 1))
        })
        .collect()
}

fn variable(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(legal) {
        return None;
    }
    Some((name.to_owned(), value_of(value.trim())?))
}

/// Removes quotes, or a comment behind an unquoted value.
fn value_of(text: &str) -> Option<String> {
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        // `#` begins a comment only behind a blank: passwords hold it too.
        let end = [" #", "\t#"].iter().filter_map(|c| text.find(c)).min();
        return Some(text[..end.unwrap_or(text.len())].trim_end().to_owned());
    };
    let mut value = String::new();
    let mut characters = text[1..].chars();
    loop {
        match characters.next()? {
            c if c == quote => break,
            '\\' if quote == '"' => match characters.next()? {
                // The escapes of systemd.syntax(7) that name quotes; any other
                // backslash means itself.
                c @ ('"' | '\\' | '$' | '`') => value.push(c),
                c => value.extend(['\\', c]),
            },
            c => value.push(c),
        }
    }
    let rest = characters.as_str().trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn reads(text: &str, name: &str, value: &str) {
        assert_eq!(parse(text), [Ok((name.to_owned(), value.to_owned()))]);
    }

    #[test]
    fn values_mean_what_they_say() {
        reads("A=b", "A", "b");
        reads("  export A = b  ", "A", "b");
        reads("\u{feff}A=b\r", "A", "b");
        reads("A=", "A", "");
        reads("A=p$HOME#x${HOME}", "A", "p$HOME#x${HOME}");
        reads("A=b # a comment", "A", "b");
        reads("A='b # c' # d", "A", "b # c");
        reads(r#"A="b \"c\" \n""#, "A", r#"b "c" \n"#);
        reads("A=x=y", "A", "x=y");
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_other_lines_are_told() {
        let entries = parse("# a\n\n; b\nnonsense\nA='open\nB=\"x\" y\n=c\nC=1");
        assert_eq!(
            entries,
            [Err(4), Err(5), Err(6), Err(7), Ok(("C".into(), "1".into()))]
        );
    }
}
