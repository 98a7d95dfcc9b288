//! From a history that fails to a small one that fails as well.

use super::history::History;

/// Takes away whatever is not needed for the failure: operations in chunks,
/// ever smaller ones, and then dependencies. `fails` says whether a history
/// still fails in the same way.
pub(super) fn shrink(history: &History, fails: impl Fn(&History) -> bool) -> History {
    let mut best = history.clone();
    let mut chunk = best.ops.len();
    while chunk > 0 {
        let mut begin = 0;
        while begin < best.ops.len() {
            let mut less = best.clone();
            let end = (begin + chunk).min(less.ops.len());
            less.ops.drain(begin..end);
            if fails(&less) {
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
        if !less.parts.is_empty() && fails(&less) {
            best = less;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::history::Act;

    fn freezes(history: &History) -> usize {
        let ops = history.ops.iter();
        ops.filter(|op| matches!(op.act, Act::Freeze(_))).count()
    }

    fn has_an_edge(history: &History) -> bool {
        history.parts.iter().any(|part| !part.needs.is_empty())
    }

    /// The first random history that is not small already.
    fn found(wanted: impl Fn(&History) -> bool) -> History {
        let large = |history: &History| history.ops.len() > 10 && history.parts.len() > 4;
        let mut all = (0..).map(History::random);
        all.find(|history| large(history) && wanted(history))
            .expect("there is one")
    }

    #[test]
    fn what_fails_for_one_operation_shrinks_to_it() {
        let fails = |history: &History| freezes(history) > 0;
        let small = shrink(&found(fails), fails);
        assert_eq!((freezes(&small), small.ops.len()), (1, 1));
        assert_eq!(small.parts.len(), 1);
    }

    #[test]
    fn what_the_failure_needs_stays() {
        let fails = |history: &History| freezes(history) > 1 && has_an_edge(history);
        let small = shrink(&found(fails), fails);
        assert_eq!((freezes(&small), small.ops.len()), (2, 2));
        assert!(has_an_edge(&small));
        assert_eq!(small.parts.len(), 2);
    }
}
