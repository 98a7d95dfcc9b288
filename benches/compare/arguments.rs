//! What this program is asked to do.

use crate::Effort;
use crate::rows::{self, Row};

#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) rows: Vec<Row>,
    pub(crate) effort: Effort,
    /// Renew the document.
    pub(crate) writes: bool,
}

impl Wanted {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let words = arguments.iter().map(String::as_str);
        let (flags, named): (Vec<&str>, Vec<&str>) = words.partition(|word| word.starts_with('-'));
        let has = |flag: &str| flags.contains(&flag);
        // Cargo adds `--bench`.
        let known = ["--bench", "--quick", "--write"];
        if let Some(unknown) = flags.iter().find(|flag| !known.contains(flag)) {
            return Err(format!(
                "cannot do {unknown}: there are --quick and --write"
            ));
        }
        if has("--quick") && has("--write") {
            return Err(
                "--quick and --write exclude each other: the figures of a trial mean \
                        nothing and must not replace those that do"
                    .to_owned(),
            );
        }
        Ok(Self {
            rows: rows::chosen(&named)?,
            effort: Effort {
                quick: has("--quick"),
            },
            writes: has("--write"),
        })
    }
}
