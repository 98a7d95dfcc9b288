//! The pool, the cache and what clients may ask of them.

use super::super::address::parse;
use super::super::section::{Report, Section};
use super::super::values::{self, DAY, MILLISECOND, MINUTE, SECOND, duration, word};
use super::super::{Cache, Config, Database, Limits, Migrate, Provenance};
use super::PATIENCE;
use crate::dependency::CACHE;

pub(super) fn database(mut section: Section<'_>, database: &mut Database) {
    let path = section.path_of("direct_url");
    let report = section.report();
    let direct = section.read("direct_url", |leaf| {
        let url = values::text(leaf)?;
        if url.trim().is_empty() {
            return Ok(None);
        }
        let parsed = parse::postgres(url.trim())?;
        for message in parsed.ignored {
            report.warn(leaf.from.clone(), path.clone(), message);
        }
        Ok(Some(parsed.target))
    });
    database.direct = direct.flatten();
    section.set(
        "pool_size",
        &mut database.pool_size,
        values::whole(1..=10_000),
    );
    section.set(
        "pool_timeout",
        &mut database.pool_timeout,
        duration(PATIENCE),
    );
    section.set(
        "statement_timeout",
        &mut database.statement_timeout,
        duration(PATIENCE),
    );
    section.set(
        "max_lifetime",
        &mut database.max_lifetime,
        duration(SECOND..=30 * DAY),
    );
    section.set(
        "migrate",
        &mut database.migrate,
        word(&[("auto", Migrate::Auto), ("check", Migrate::Check)]),
    );
    section.finish();
}

pub(super) fn cache(mut section: Section<'_>, cache: &mut Cache) {
    section.set(
        "timeout",
        &mut cache.timeout,
        duration(MILLISECOND..=MINUTE),
    );
    section.set("retries", &mut cache.retries, values::whole(0..=100));
    section.set("ttl", &mut cache.ttl, duration(SECOND..=30 * DAY));
    section.finish();
}

pub(super) fn limits(mut section: Section<'_>, limits: &mut Limits) {
    section.set(
        "reads_per_minute",
        &mut limits.reads_per_minute,
        values::whole(1..=1_000_000),
    );
    section.set(
        "writes_per_minute",
        &mut limits.writes_per_minute,
        values::whole(1..=1_000_000),
    );
    section.finish();
}

/// An operation on the path of a request never takes longer than a check may:
/// the deployments that set `REDIS_SOCKET_TIMEOUT` mean both. A longer one is
/// cut, with a warning if someone asked for it.
pub(super) fn clamp_cache_timeout(config: &mut Config, report: &Report) {
    let Some(ceiling) = config.dependency(CACHE).map(|cache| cache.checks.timeout) else {
        return;
    };
    if config.cache.timeout <= ceiling {
        return;
    }
    config.cache.timeout = ceiling;
    let from = report.origin("cache.timeout");
    if from != Provenance::BuiltIn {
        let by = report.origin("dependencies.cache.timeout");
        let message = format!(
            "it is cut to {}, the timeout of a check of Redis, from {by}",
            humantime::format_duration(ceiling)
        );
        report.warn(from, "cache.timeout".to_owned(), message);
    }
}
