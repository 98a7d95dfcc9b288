//! How much a test does: a sample usually, and more when a variable says so.

use std::str::FromStr;

/// The number in a variable, if it is set.
///
/// # Panics
///
/// When it is set to something else.
pub(crate) fn number<N: FromStr>(variable: &str) -> Option<N> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is {text:?}: a number is expected")))
}

/// What chance begins from: `BUDGETD_SEED`, to see again what was seen, or
/// anything.
pub(crate) fn seed() -> u64 {
    number("BUDGETD_SEED").unwrap_or_else(rand::random)
}
