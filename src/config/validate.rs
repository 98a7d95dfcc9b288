//! Merged values into a configuration: starts from what is built in and lets
//! every key that is set replace its part.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;

use super::layers::Layers;
use super::legacy_env::Legacy;
use super::section::{Report, Section};
use super::values::{self, DAY, HOUR, MILLISECOND, MINUTE, duration, word};
use super::{Api, Checks, Config, HealthDetails, Lifecycle, Log, LogFormat, OnRequiredLoss};
use crate::dependency::CACHE;

mod dependency;
mod stores;
mod tokens;

/// The most bytes of a request that anyone may ask to be read.
const MOST_BODY: ByteSize = ByteSize::gib(1);
/// What something that a person waits for may take.
const PATIENCE: RangeInclusive<Duration> = MILLISECOND..=HOUR;

/// The configuration, as far as it can be read: whoever calls looks at the
/// problems in `report` first. `complete` is false when a layer could not be
/// read, so that what is missing may well stand there.
pub(super) fn validate(
    layers: &Layers,
    report: &Report,
    legacy: &Legacy,
    complete: bool,
) -> Config {
    let mut config = Config::builtin();
    let mut root = Section::root(layers, report);
    root.set("environment", &mut config.environment, values::line);
    api(root.section("api"), &mut config.api);
    let mut admin = root.section("admin");
    admin.set("listen", &mut config.admin.listen, values::admin_listen);
    admin.finish();
    log(root.section("log"), &mut config.log);
    lifecycle(root.section("lifecycle"), &mut config.lifecycle);
    tokens::auth(root.section("auth"), &mut config.auth);
    stores::database(root.section("database"), &mut config.database);
    stores::cache(root.section("cache"), &mut config.cache);
    stores::limits(root.section("limits"), &mut config.limits);
    let mut common = Checks::default();
    let mut section = root.section("checks");
    checks(&mut section, &mut common);
    section.finish();
    dependency::dependencies(
        root.section("dependencies"),
        &mut config.dependencies,
        &common,
        complete,
    );
    root.finish();

    stores::clamp_cache_timeout(&mut config, report);
    let cache = config.dependency(CACHE);
    let cache_has_url = cache.is_none_or(|cache| cache.target.is_some());
    let cache_url_refused = report
        .problems
        .borrow()
        .iter()
        .any(|problem| problem.key.as_deref() == Some("dependencies.cache.url"));
    legacy.contradictions(cache_has_url || cache_url_refused, report);
    config
}

fn api(mut section: Section<'_>, api: &mut Api) {
    section.set("listen", &mut api.listen, values::listen);
    section.set("title", &mut api.title, values::line);
    section.set(
        "allowed_origins",
        &mut api.allowed_origins,
        values::list(values::origin),
    );
    section.set(
        "max_connections",
        &mut api.max_connections,
        values::whole(1..=1_000_000),
    );
    section.set("max_body", &mut api.max_body, values::bytes(MOST_BODY));
    section.set(
        "import_max_body",
        &mut api.import_max_body,
        values::bytes(MOST_BODY),
    );
    section.set(
        "header_timeout",
        &mut api.header_timeout,
        duration(PATIENCE),
    );
    section.set(
        "request_timeout",
        &mut api.request_timeout,
        duration(PATIENCE),
    );
    section.set(
        "keep_alive_timeout",
        &mut api.keep_alive_timeout,
        duration(MILLISECOND..=DAY),
    );
    section.set(
        "body_idle_timeout",
        &mut api.body_idle_timeout,
        duration(PATIENCE),
    );
    section.set(
        "health_details",
        &mut api.health_details,
        word(&[
            ("full", HealthDetails::Full),
            ("status", HealthDetails::Status),
        ]),
    );
    section.set(
        "trusted_proxies",
        &mut api.trusted_proxies,
        values::list(values::network),
    );
    section.finish();
}

fn log(mut section: Section<'_>, log: &mut Log) {
    section.set(
        "format",
        &mut log.format,
        word(&[
            ("json", LogFormat::Json),
            ("pretty", LogFormat::Pretty),
            ("auto", LogFormat::Auto),
        ]),
    );
    section.set("level", &mut log.level, values::directives);
    section.finish();
}

fn lifecycle(mut section: Section<'_>, lifecycle: &mut Lifecycle) {
    // Nothing at all is a sensible patience here: nobody balances over a
    // single instance, and nobody waits for a test.
    let range = Duration::ZERO..=HOUR;
    section.set(
        "drain_delay",
        &mut lifecycle.drain_delay,
        duration(range.clone()),
    );
    section.set(
        "drain_timeout",
        &mut lifecycle.drain_timeout,
        duration(range),
    );
    section.set(
        "on_required_loss",
        &mut lifecycle.on_required_loss,
        word(&[
            ("unavailable", OnRequiredLoss::Unavailable),
            ("exit", OnRequiredLoss::Exit),
        ]),
    );
    section.finish();
}

/// The settings of checks: the common ones, or those of one dependency.
fn checks(section: &mut Section<'_>, checks: &mut Checks) {
    let pause = 10 * MILLISECOND..=DAY;
    let deadline = MILLISECOND..=10 * MINUTE;
    section.set("interval", &mut checks.interval, duration(pause.clone()));
    section.set(
        "fast_interval",
        &mut checks.fast_interval,
        duration(pause.clone()),
    );
    section.set("max_backoff", &mut checks.max_backoff, duration(pause));
    section.set("jitter", &mut checks.jitter, values::share);
    section.set(
        "connect_timeout",
        &mut checks.connect_timeout,
        duration(deadline.clone()),
    );
    section.set("timeout", &mut checks.timeout, duration(deadline));
    section.set("fall", &mut checks.fall, values::whole(1..=1_000));
    section.set("rise", &mut checks.rise, values::whole(1..=1_000));
    section.set(
        "startup_deadline",
        &mut checks.startup_deadline,
        values::duration_or_never(MILLISECOND..=DAY),
    );
}
