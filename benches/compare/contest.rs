//! Contestants take turns where they do not all see the same event, so that a
//! machine that slows down slows all of them down.

/// Lets each contestant run once a round, and returns the runs of each. Who
/// begins changes from round to round: nobody always runs on a machine that
/// another one has just heated up.
pub(crate) async fn alternate<T>(
    contestants: usize,
    rounds: usize,
    mut run: impl AsyncFnMut(usize) -> T,
) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = (0..contestants).map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for turn in 0..contestants {
            let contestant = (round + turn) % contestants;
            runs[contestant].push(run(contestant).await);
        }
    }
    runs
}
