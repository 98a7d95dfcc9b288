//! The two listeners of the real process, as clients of every kind meet them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod admin;

mod cache;

mod documents;

mod framing;

mod http2;

mod input;

mod limits;

mod output;

mod requests;

mod siege;

mod trace;

/// The status codes of the responses in what a server sent.
fn codes(text: &str) -> Vec<&str> {
    text.split("HTTP/1.1 ")
        .skip(1)
        .map(|response| &response[..3])
        .collect()
}

/// The last value of a metric's series, of which `series` is the beginning.
fn sample(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in:\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
