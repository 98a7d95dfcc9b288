use metrics::{counter, describe_counter, gauge, histogram, with_local_recorder};

use super::*;

fn recorded(work: impl FnOnce()) -> String {
    let recorder = Recorder::default();
    with_local_recorder(&recorder, work);
    recorder.render()
}

#[test]
fn families_stand_together_under_one_head() {
    let text = recorded(|| {
        describe_counter!("b_total", "Counts \"b\",\na backslash \\ and lines.");
        describe_counter!("never_total", "Nobody counted it.");
        counter!("b_total", "x" => "2").increment(1);
        gauge!("a").set(-0.5);
        counter!("b_total").increment(0);
        counter!("b_total", "x" => "1", "y" => "z").absolute(7);
        counter!("b_total", "x" => "2").increment(4);
        gauge!("a").increment(3.0);
    });
    assert_eq!(
        text,
        "# TYPE a gauge\n\
         a 2.5\n\
         # HELP b_total Counts \"b\",\\na backslash \\\\ and lines.\n\
         # TYPE b_total counter\n\
         b_total 0\n\
         b_total{x=\"2\"} 5\n\
         b_total{x=\"1\",y=\"z\"} 7\n"
    );
}

#[test]
fn label_values_cannot_break_out() {
    let text = recorded(|| gauge!("a", "x" => "\"} 1\nb \\").set(1.0));
    assert_eq!(text, "# TYPE a gauge\na{x=\"\\\"} 1\\nb \\\\\"} 1\n");
}

#[test]
fn buckets_are_cumulative() {
    let text = recorded(|| {
        for value in [0.001, 0.001_1, 60.0] {
            histogram!("h", "x" => "y").record(value);
        }
        histogram!("plain").record(0.25);
    });
    for line in [
        "h_bucket{x=\"y\",le=\"0.0005\"} 0",
        "h_bucket{x=\"y\",le=\"0.001\"} 1",
        "h_bucket{x=\"y\",le=\"0.0025\"} 2",
        "h_bucket{x=\"y\",le=\"10\"} 2",
        "h_bucket{x=\"y\",le=\"+Inf\"} 3",
        "h_sum{x=\"y\"} 60.0021",
        "h_count{x=\"y\"} 3",
        "plain_bucket{le=\"0.25\"} 1",
        "plain_sum 0.25",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert_eq!(
        text.lines().filter(|line| line.contains("_bucket")).count(),
        30
    );
}

#[test]
fn a_name_that_changes_its_type_is_not_listened_to() {
    let text = recorded(|| {
        counter!("a").increment(2);
        gauge!("a").set(9.0);
        histogram!("a").record(9.0);
    });
    assert_eq!(text, "# TYPE a counter\na 2\n");
}
