//! That everybody can use the page: with a keyboard, with a screen reader, on
//! a phone, in the light and in the dark.

use serde_json::Value;

use super::Stage;
use crate::support::{Browser, DaemonOptions, Redis};

async fn opened(stage: &Stage) -> Browser {
    let browser = Browser::start().await;
    let address = format!("http://127.0.0.1:{}/", stage.daemon.admin());
    browser.open(&address).await;
    let drawn =
        "return document.querySelector('#graph [data-node=\"cache\"]')?.dataset.tone === 'error'";
    browser.until(drawn).await;
    browser
}

/// One that has something to show: `cache` is down and holds others back.
async fn troubled() -> Stage {
    let mut stage = Stage::start().await;
    stage.cache.kill().await;
    stage.daemon.until_status("cache", "error").await;
    stage.daemon.until_status("reports", "blocked").await;
    stage
}

#[tokio::test]
async fn a_keyboard_reaches_everything_and_a_phone_needs_no_second_direction() {
    let stage = troubled().await;
    let browser = opened(&stage).await;

    let watch = "window.reached = [];
        addEventListener('focusin', ({ target }) => {
            const box = target.querySelector('rect.box');
            const seen = getComputedStyle(target).outlineStyle !== 'none'
                || (box && getComputedStyle(box).strokeWidth === '4px');
            const label = target.getAttribute('aria-label') ?? target.textContent;
            window.reached.push(seen ? label : `${label} WITHOUT A SIGN`);
        })";
    browser.run(watch).await;
    browser.tab(60).await;
    browser
        .until("return window.reached.includes('/metrics')")
        .await;
    let reached: Vec<String> =
        serde_json::from_value(browser.run("return window.reached").await).expect("texts");
    assert!(reached[0].starts_with("Skip to"), "{reached:?}");
    let nodes = [
        "cache: down, optional, holds back search and reports",
        "search: blocked, optional, waits for cache, needs cache",
        "ledger: up, required",
    ];
    for label in nodes {
        assert!(
            reached.contains(&label.to_owned()),
            "{label} in {reached:?}"
        );
    }
    let unseen = reached.iter().find(|label| label.ends_with("A SIGN"));
    assert_eq!(unseen, None, "no focus is seen");

    // What goes on meanwhile takes the focus from nobody.
    let focus = "const link = document.querySelector('#trouble-list a');
        link.focus();
        window.counted = document.querySelector('.checks').textContent";
    browser.run(focus).await;
    browser
        .until("return document.querySelector('.checks').textContent !== window.counted")
        .await;
    let kept = "return document.activeElement === document.querySelector('#trouble-list a')";
    assert_eq!(browser.run(kept).await, true, "the focus is lost");

    // A node leads to its row.
    browser
        .run("document.querySelector('#graph [data-node=\"search\"] a').focus()")
        .await;
    browser.enter().await;
    browser
        .until("return document.activeElement.id === 'd-search'")
        .await;

    for (width, height) in [(320, 640), (390, 844)] {
        browser.size(width, height, true).await;
        browser
            .until("return document.querySelector('#graph svg').clientWidth < innerWidth")
            .await;
        let fits = "return document.documentElement.scrollWidth <= innerWidth
            && document.body.scrollWidth <= innerWidth";
        assert_eq!(browser.run(fits).await, true, "{width} wide");
    }
    browser.close().await;
}

#[tokio::test]
async fn thirty_dependencies_fit_and_more_than_two_hundred_are_counted() {
    let redis = Redis::start().await;
    let dependency = |number: usize, needs: &str| {
        format!(
            "[dependencies.service-{number}]\nkind = \"redis\"\nurl = \"{}\"\npolicy = \"optional\"\nneeds = [{needs}]\n",
            redis.url()
        )
    };
    for (count, rows) in [(30, 33), (250, 1)] {
        let mut config = String::new();
        for number in 0..count {
            let needs = (number % 7 != 0).then(|| format!("\"service-{}\"", number / 2));
            config.push_str(&dependency(number, &needs.unwrap_or_default()));
        }
        // The only one that is not ok when there are too many.
        let daemon = DaemonOptions::default()
            .config(&config)
            .cache("redis://127.0.0.1:1/0");
        let daemon = daemon.serve().await;
        daemon.until_checked("cache", 3).await;
        let browser = Browser::start().await;
        browser.size(390, 844, true).await;
        browser
            .open(&format!("http://127.0.0.1:{}/", daemon.admin()))
            .await;
        browser
            .until(&format!(
                "return document.querySelectorAll('#rows tr').length === {rows}"
            ))
            .await;
        browser
            .until("return document.querySelector('#graph [data-node=\"(api)\"]') !== null")
            .await;
        let fits = "return document.documentElement.scrollWidth <= innerWidth";
        assert_eq!(browser.run(fits).await, true, "{count}");
        let apart = "const boxes = [...document.querySelectorAll('#graph rect.box')].map(box => box.getBoundingClientRect());
            return boxes.every((a, i) => boxes.every((b, j) => i === j
              || a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top))";
        assert_eq!(
            browser.run(apart).await,
            true,
            "{count}: nodes lie on each other"
        );
        let counts = browser.text("#counts").await;
        assert!(
            counts.contains(&format!("{} dependencies", count + 3)),
            "{counts}"
        );
        assert_eq!(counts.contains("Only 1"), count > 200, "{counts}");
        assert_eq!(browser.console().await, Vec::<String>::new());
        browser.close().await;
    }
}

/// The rules of accessibility.
fn axe() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe-core/axe.min.js");
    let rules = std::fs::read_to_string(path);
    rules.unwrap_or_else(|error| panic!("cannot read {path}: {error}; etc/fetch-axe puts it there"))
}

#[tokio::test]
async fn axe_finds_nothing_in_the_light_and_in_the_dark() {
    let stage = troubled().await;
    let browser = opened(&stage).await;
    browser.run(&axe()).await;
    for (width, is_phone) in [(1280, false), (390, true)] {
        browser.size(width, 900, is_phone).await;
        for scheme in ["light", "dark"] {
            browser.colours(scheme).await;
            let found = browser
                .run_to_callback(
                    "const done = arguments[arguments.length - 1];
                     axe.run(document, { resultTypes: ['violations'] }).then(
                       ({ violations, passes }) => done({
                         rules: passes.length,
                         violations: violations.map(({ id, impact, nodes }) =>
                           `${impact} ${id}: ${nodes.map(({ html, failureSummary }) => html.slice(0, 200) + failureSummary).join('; ')}`),
                       }),
                       (error) => done({ violations: [String(error)] }))",
                )
                .await;
            assert_eq!(
                found["violations"],
                Value::Array(Vec::new()),
                "{width} {scheme}"
            );
            assert!(found["rules"].as_u64() > Some(20), "{found}");
        }
    }
    browser.close().await;
}
