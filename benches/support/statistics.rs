//! What many runs come to.

/// The value in the middle, or between the two that are.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The nearest rank: of few values the 99th percentile is the largest.
pub(crate) fn percentile(percent: usize, values: impl IntoIterator<Item = f64>) -> f64 {
    let sorted = sorted(values);
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[expect(clippy::cast_precision_loss, reason = "nothing here is that large")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
