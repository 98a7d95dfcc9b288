//! The nodes of the graph. Its edges are only names here; whether they lead
//! anywhere is for the graph to say.

use http::{HeaderName, HeaderValue};

use super::super::address::{HttpTarget, PostgresTarget, ServerAccess, Target, parse};
use super::super::section::{Leaf, Section};
use super::super::values::{self, Parsed, word};
use super::super::{Checks, Dependency, Provenance, Secret, builtin};
use crate::dependency::{InvalidName, Kind, Name, Policy};

/// Reads all of `[dependencies]` over the built-in ones in `all`.
pub(super) fn dependencies(
    mut section: Section<'_>,
    all: &mut Vec<Dependency>,
    common: &Checks,
    complete: bool,
) {
    for dependency in all.iter_mut() {
        dependency.checks = common.clone();
        let name = dependency.name.clone();
        read(section.section(name.as_str()), dependency, true, complete);
    }
    for key in section.remaining() {
        let Ok(name) = key.parse::<Name>() else {
            section.read(&key, |_| Err::<(), _>(InvalidName.to_string()));
            continue;
        };
        let mut dependency = Dependency {
            name,
            // Replaced at once: it has no default.
            kind: Kind::Tcp,
            // Whoever declares a dependency means to depend on it.
            policy: Policy::Required,
            needs: Vec::new(),
            target: None,
            checks: common.clone(),
        };
        read(section.section(&key), &mut dependency, false, complete);
        all.push(dependency);
    }
    section.finish();
}

fn read(mut section: Section<'_>, dependency: &mut Dependency, builtin: bool, complete: bool) {
    let kind = kind(&mut section, dependency.kind, builtin, complete);
    section.set(
        "policy",
        &mut dependency.policy,
        word(&Policy::ALL.map(|policy| (policy.as_str(), policy))),
    );
    section.set(
        "needs",
        &mut dependency.needs,
        values::list(values::parsed(&InvalidName.to_string())),
    );
    super::checks(&mut section, &mut dependency.checks);
    let Some(kind) = kind else {
        // Without a kind, nothing that belongs to one can be judged.
        for key in ["url", "access", "accept"] {
            section.take(key);
        }
        section.take("headers");
        section.finish();
        return;
    };
    dependency.kind = kind;
    let url_was_refused = target(&mut section, dependency);
    let unwatched = dependency.target.is_none() && !url_was_refused;
    if unwatched && dependency.policy.gates() && complete {
        not_configured(&section, dependency.policy);
    }
    section.finish();
}

fn kind(section: &mut Section<'_>, usual: Kind, builtin: bool, complete: bool) -> Option<Kind> {
    let words = Kind::ALL.map(|kind| (kind.as_str(), kind));
    let report = section.report();
    let Some(leaf) = section.take("kind") else {
        if !builtin && complete {
            let key = section.path_of("kind");
            let message = format!("it is missing; {}", one_of(&words));
            report.problem(section.first_origin(), Some(key), message);
        }
        return builtin.then_some(usual);
    };
    let parsed = word(&words)(&leaf).and_then(|kind| {
        if builtin && kind != usual {
            return Err(format!(
                "a built-in dependency keeps its kind, {usual}; declare another one under a name of its own"
            ));
        }
        Ok(kind)
    });
    match parsed {
        Ok(kind) => Some(kind),
        Err(message) => {
            report.problem(leaf.from, Some(leaf.key), message);
            builtin.then_some(usual)
        }
    }
}

fn one_of(words: &[(&str, Kind)]) -> String {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    format!("one of {} is expected", words.join(", "))
}

fn not_configured(section: &Section<'_>, policy: Policy) {
    let report = section.report();
    let url = section.path_of("url");
    let mut from = report.origin(&url);
    if from == Provenance::BuiltIn {
        from = report.origin(&section.path_of("policy"));
    }
    if from == Provenance::BuiltIn {
        from = section.first_origin();
    }
    let message = format!("it is empty, but its policy is {policy}: set a URL or another policy");
    report.problem(from, Some(url), message);
}

/// Reads the address and what belongs to its kind. Returns whether there was
/// something that could not be read.
fn target(section: &mut Section<'_>, dependency: &mut Dependency) -> bool {
    let report = section.report();
    let before = report.problems.borrow().len();
    let path = section.path_of("url");
    let kind = dependency.kind;
    let url = section.read("url", |leaf| {
        let text = values::text(leaf)?;
        let (target, ignored) = match text.trim() {
            "" => return Ok(None),
            url => parse_url(url, kind)?,
        };
        for message in ignored {
            report.warn(leaf.from.clone(), path.clone(), message);
        }
        Ok(Some(target))
    });
    if let Some(target) = url {
        dependency.target = target;
    }
    let mut access = ServerAccess::Primary;
    let mut accept = builtin::accept(dependency.name.as_str());
    let mut headers = Vec::new();
    if kind == Kind::Postgres {
        section.set(
            "access",
            &mut access,
            word(&[
                ("primary", ServerAccess::Primary),
                ("any", ServerAccess::Any),
            ]),
        );
    } else {
        belongs_to(section, "access", Kind::Postgres);
    }
    if kind == Kind::Http {
        section.set("accept", &mut accept, values::list(status_code));
        read_headers(section.section("headers"), &mut headers);
    } else {
        belongs_to(section, "accept", Kind::Http);
        belongs_to(section, "headers", Kind::Http);
    }
    match &mut dependency.target {
        Some(Target::Postgres(PostgresTarget { access: field, .. })) => *field = access,
        Some(Target::Http(HttpTarget {
            accept: codes,
            headers: fields,
            ..
        })) => {
            *codes = accept;
            *fields = headers;
        }
        _ => {}
    }
    report.problems.borrow().len() > before
}

fn parse_url(url: &str, kind: Kind) -> Parsed<(Target, Vec<String>)> {
    Ok(match kind {
        Kind::Postgres => {
            let parsed = parse::postgres(url)?;
            (Target::Postgres(parsed.target), parsed.ignored)
        }
        Kind::Redis => {
            let parsed = parse::redis(url)?;
            (Target::Redis(parsed.target), parsed.ignored)
        }
        Kind::Http => {
            let parsed = parse::http(url)?;
            (Target::Http(parsed.target), parsed.ignored)
        }
        Kind::Tcp => {
            let parsed = parse::tcp(url)?;
            (Target::Tcp(parsed.target), parsed.ignored)
        }
    })
}

fn belongs_to(section: &mut Section<'_>, key: &str, kind: Kind) {
    section.read(key, |_| {
        Err::<(), _>(format!("it belongs to dependencies of kind {kind} only"))
    });
}

fn status_code(leaf: &Leaf) -> Parsed<u16> {
    // 1xx are no answers.
    values::whole(200..=599)(leaf)
}

/// Headers to send; any of their values may be a secret.
fn read_headers(mut section: Section<'_>, headers: &mut Vec<(String, Secret)>) {
    for key in section.remaining() {
        let name = HeaderName::from_bytes(key.as_bytes());
        let header = section.read(&key, |leaf| {
            let name = name.map_err(|_| "the name of a header is expected".to_owned())?;
            let value = values::text(leaf)?;
            HeaderValue::from_str(&value)
                .map_err(|_| "the value of a header is one line of visible characters")?;
            Ok((name.to_string(), Secret::from(value)))
        });
        headers.extend(header);
    }
    section.finish();
}
