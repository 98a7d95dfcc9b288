//! From a history that fails to a small one that fails as well.

use super::attempt;
use super::history::History;

/// Takes away whatever is not needed for the failure: operations in chunks,
/// ever smaller ones, and then dependencies.
pub(super) fn shrink(history: &History) -> History {
    let mut best = history.clone();
    let mut chunk = best.ops.len();
    while chunk > 0 {
        let mut begin = 0;
        while begin < best.ops.len() {
            let mut less = best.clone();
            let end = (begin + chunk).min(less.ops.len());
            less.ops.drain(begin..end);
            if attempt(&less).is_err() {
                best = less;
            } else {
                begin += chunk;
            }
        }
        chunk /= 2;
    }
    let numbers: Vec<usize> = best.parts.iter().map(|part| part.number).collect();
    for number in numbers {
        let mut less = best.clone();
        less.parts.retain(|part| part.number != number);
        for part in &mut less.parts {
            part.needs.retain(|need| *need != number);
        }
        if !less.parts.is_empty() && attempt(&less).is_err() {
            best = less;
        }
    }
    best
}
