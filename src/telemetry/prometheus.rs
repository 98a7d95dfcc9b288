//! What all metrics have in common: how labels are written, and into which
//! buckets durations fall.

use std::borrow::Cow;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// The upper bounds of all histograms, in seconds: from a fraction of a
/// millisecond to the longest deadlines.
const BOUNDS: [f64; 14] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The name and the value of a label.
pub type Label = (&'static str, Cow<'static, str>);

/// The labels of a series.
pub type Labels<const N: usize> = [Label; N];

/// Histograms of durations in seconds.
pub type Durations<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Histograms that have no series yet.
pub fn durations<const N: usize>() -> Durations<N> {
    Family::new_with_constructor(|| Histogram::new(BOUNDS))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn durations_fall_into_the_buckets_of_their_bounds() {
        let (mut registry, durations) = (Registry::default(), durations());
        registry.register("took_seconds", "How long it took", durations.clone());
        let series = durations.get_or_create_owned(&[("x", "\"} 1\nb \\".into())]);
        for seconds in [0.001, 0.001_1, 60.0] {
            series.observe(seconds);
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let bounds = BOUNDS.map(|bound| bound.to_string());
        let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
        let counts = [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3];
        let label = r#"x="\"} 1\nb \\""#;
        let buckets = bounds
            .zip(counts)
            .map(|(bound, count)| {
                format!("took_seconds_bucket{{{label},le=\"{bound}\"}} {count}\n")
            })
            .collect::<Vec<_>>()
            .concat();
        let expected = format!(
            "# HELP took_seconds How long it took.\n\
             # TYPE took_seconds histogram\n\
             {buckets}\
             took_seconds_sum{{{label}}} 60.0021\n\
             took_seconds_count{{{label}}} 3\n"
        );
        assert_eq!(text, expected);
    }
}
