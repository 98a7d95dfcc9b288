//! The page: one document that needs nothing else.

use std::fmt::Write;

use super::super::axes::{Dependency, Fault, Moment, POLICIES, Policy};
use super::super::bounds;
use super::super::model::{self, Effect, Phase};
use super::super::run::{Outcome, Row};
use super::{PRODUCT, Tally};

const STYLE: &str = include_str!("page.css");

/// The whole document.
pub(super) fn of(rows: &[Row], tally: &Tally) -> String {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <title>Fault matrix of budgetd</title><style>{STYLE}</style></head><body>\n\
         <h1>Fault matrix of budgetd</h1>\n"
    );
    page.push_str(&summary(tally));
    page.push_str(&promises());
    for dependency in Dependency::ALL {
        page.push_str(&section(rows, dependency));
    }
    page.push_str(&excluded());
    page.push_str(&details(rows));
    page.push_str("</body></html>\n");
    page
}

fn summary(tally: &Tally) -> String {
    let verdict = match tally.broken {
        0 => "<p class=\"verdict kept\">Every row is as the model says.</p>".to_owned(),
        count => format!("<p class=\"verdict broken\">{count} rows are not as the model says.</p>"),
    };
    let lines = tally.lines();
    let mut text = format!("{verdict}\n<ul>");
    for line in lines.iter().take(lines.len() - tally.spans.len()) {
        write!(text, "<li>{line}</li>").expect("a text takes everything");
    }
    text.push_str(
        "</ul>\n<table><caption>How long things took</caption><tr><th>What</th><th>Times</th>\
         <th>Median</th><th>Longest</th><th>Past the bound</th></tr>\n",
    );
    for span in &tally.spans {
        writeln!(
            text,
            "<tr><th>{}</th><td>{}</td><td>{:.2} s</td><td>{:.2} s</td><td>{}</td></tr>",
            span.what,
            span.count,
            span.median.as_secs_f64(),
            span.longest.as_secs_f64(),
            span.late
        )
        .expect("a text takes everything");
    }
    let allowance = bounds::allowance().as_secs();
    write!(
        text,
        "</table>\n<p>Bounds follow from the settings of the rows. What takes longer than its \
         bound and {allowance} s, which a busy machine may add, breaks its row.</p>\n"
    )
    .expect("a text takes everything");
    text
}

/// What a policy makes of a dependency that is down, in each phase.
fn promises() -> String {
    let mut text = String::from(
        "<table><caption>What is seen while a dependency is down</caption>\
         <tr><th>Policy</th><th>Before the gate opens</th><th>Serving</th><th>Draining</th></tr>\n",
    );
    for policy in POLICIES {
        let phases = [Phase::Starting, Phase::Serving, Phase::Draining].map(|phase| {
            if phase == Phase::Starting && !model::gates(policy) {
                return "<td>does not hold the gate</td>".to_owned();
            }
            let sight = model::sight(phase, policy, false);
            let door = match sight.door {
                model::Door::Shut => "connections are refused",
                model::Door::Open => "requests are answered",
                model::Door::Unavailable => "requests get 503",
            };
            format!("<td>{}, {}; {door}</td>", sight.overall, sight.code)
        });
        writeln!(text, "<tr><th>{policy}</th>{}</tr>", phases.concat())
            .expect("a text takes everything");
    }
    text.push_str("</table>\n");
    text
}

/// A dependency's faults, and in each line what came of them at every moment.
fn section(rows: &[Row], dependency: Dependency) -> String {
    let own: Vec<&Row> = rows
        .iter()
        .filter(|row| row.case.dependency == dependency)
        .collect();
    if own.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "<h2>{dependency}</h2>\n<table class=\"matrix\"><tr><th>Fault</th><th>Expected</th>"
    );
    for moment in Moment::ALL {
        write!(text, "<th>{}</th>", moment.words()).expect("a text takes everything");
    }
    text.push_str("</tr>\n");
    for fault in Fault::ALL {
        let Ok(effect) = model::effect(dependency, fault) else {
            continue;
        };
        write!(
            text,
            "<tr><th>{}</th><td>{}</td>",
            fault.words(),
            expected(effect)
        )
        .expect("a text takes everything");
        for moment in Moment::ALL {
            let marks = POLICIES.map(|policy| {
                let row = own.iter().find(|row| {
                    (row.case.fault, row.case.moment, row.case.policy) == (fault, moment, policy)
                });
                mark(row.copied(), policy)
            });
            write!(text, "<td>{}</td>", marks.concat()).expect("a text takes everything");
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table>\n");
    text
}

fn expected(effect: Effect) -> String {
    match effect {
        Effect::Down(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
            format!("error: {}", kinds.join(" or "))
        }
        Effect::Up { note: None } => "ok".to_owned(),
        Effect::Up { note: Some(note) } => format!("ok, noted: {note}"),
        Effect::Flaps => "flapping is summed up".to_owned(),
    }
}

fn mark(row: Option<&Row>, policy: Policy) -> String {
    let name = policy.as_str();
    let letter = &name[..1];
    let Some(row) = row else {
        return format!("<span class=\"none\" title=\"{name}: not played\">{letter}</span>");
    };
    let (class, words) = match &row.outcome {
        Outcome::Kept { at_first: None } => ("kept", "kept"),
        Outcome::Kept { at_first: Some(_) } => ("again", "kept when few were played"),
        Outcome::Broken { .. } => ("broken", "broken"),
        Outcome::Skipped(_) => ("none", "skipped"),
    };
    let id = anchor(row);
    format!("<a class=\"{class}\" href=\"#{id}\" title=\"{name}: {words}\">{letter}</a>")
}

fn anchor(row: &Row) -> String {
    row.case.to_string().replace('/', "_")
}

fn excluded() -> String {
    let mut text = format!(
        "<h2>Left out</h2>\n<p>Of {PRODUCT} combinations these make no sense.</p>\n\
         <table><tr><th>Dependency</th><th>Fault</th><th>Rows</th><th>Reason</th></tr>\n"
    );
    for (dependency, fault, reason, rows) in model::excluded() {
        let fault = fault.words();
        writeln!(
            text,
            "<tr><th>{dependency}</th><td>{fault}</td><td>{rows}</td><td>{reason}</td></tr>"
        )
        .expect("a text takes everything");
    }
    text.push_str("</table>\n");
    text
}

/// Every row with its figures, and the log of what is broken.
fn details(rows: &[Row]) -> String {
    let mut text = String::from(
        "<h2>Rows</h2>\n<table><tr><th>Row</th><th>Outcome</th><th>Took (bound)</th></tr>\n",
    );
    for row in rows {
        let figures: Vec<String> = row
            .figures
            .iter()
            .map(|figure| {
                let class = if figure.took > figure.bound {
                    " class=\"late\""
                } else {
                    ""
                };
                let (took, bound) = (figure.took.as_secs_f64(), figure.bound.as_secs_f64());
                format!(
                    "<span{class}>{} {took:.2} s ({bound:.1} s)</span>",
                    figure.what
                )
            })
            .collect();
        let outcome = match &row.outcome {
            Outcome::Kept { at_first: None } => "kept".to_owned(),
            Outcome::Kept {
                at_first: Some(why),
            } => {
                format!("kept when few were played; at first: {}", escaped(why))
            }
            Outcome::Skipped(why) => format!("skipped: {}", escaped(why)),
            Outcome::Broken { why, log } => format!(
                "<b>{}</b><details><summary>its log</summary><pre>{}</pre></details>",
                escaped(why),
                escaped(log)
            ),
        };
        writeln!(
            text,
            "<tr id=\"{}\"><th>{}</th><td>{outcome}</td><td>{}</td></tr>",
            anchor(row),
            row.case,
            figures.join("; ")
        )
        .expect("a text takes everything");
    }
    text.push_str("</table>\n");
    text
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
