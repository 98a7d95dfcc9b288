//! What every daemon of every test writes, held against the catalogue.

use budgetd::telemetry::catalogue;
use serde_json::Value;

/// Fails for a line that is not as the catalogue says. What is no JSON is no
/// line: text for people, or one that was cut short.
pub(crate) fn assert_catalogued(log: &str) {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let wrong: Vec<String> = lines
        .filter_map(|line: Value| {
            let wrong = catalogue::check(&line).err()?;
            Some(format!("{wrong}: {line}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "not as src/telemetry/catalogue has it:\n{}",
        wrong.join("\n")
    );
}
