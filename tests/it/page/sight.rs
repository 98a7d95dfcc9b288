//! What people see, in Chromium.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::Stage;
use crate::support::{Browser, DaemonOptions, PATIENCE, Talker, wait};

/// A node of the graph.
fn node(name: &str) -> String {
    format!("#graph [data-node=\"{name}\"]")
}

/// A script that is true when the node of a dependency shows a tone and says
/// a word.
fn shows(name: &str, tone: &str, word: &str) -> String {
    format!(
        "const node = document.querySelector({:?});
         return node?.dataset.tone === {tone:?} && node.textContent.includes({word:?})",
        node(name)
    )
}

async fn opened(stage: &Stage) -> Browser {
    let browser = Browser::start().await;
    browser.open(&address(stage)).await;
    browser.until(&shows("cache", "ok", "up")).await;
    browser
}

fn address(stage: &Stage) -> String {
    format!("http://127.0.0.1:{}/", stage.daemon.admin())
}

#[tokio::test]
async fn a_killed_redis_shows_within_a_second_and_without_a_reload() {
    let mut stage = Stage::start().await;
    let browser = opened(&stage).await;
    assert_eq!(browser.text("#verdict h1").await, "Ok");
    let title = "return document.title.startsWith('Ok')";
    browser.until(title).await;
    browser.run("window.neverReloaded = true").await;

    stage.cache.kill().await;
    // The daemon's own word for it, by the same clock as this test.
    stage.daemon.until_status("cache", "error").await;
    let declared = Instant::now();
    browser.until(&shows("cache", "error", "down")).await;
    let took = declared.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    browser
        .until("return document.querySelector('h1').textContent === 'Degraded'")
        .await;

    // Who is held back by whom, since when, why, and what to do about it.
    browser.until(&shows("search", "blocked", "blocked")).await;
    browser.until(&shows("reports", "blocked", "blocked")).await;
    let trouble = browser.text("#trouble-list").await;
    for words in [
        "cache",
        "down",
        "optional",
        "since",
        "connection refused",
        "start it",
        "holds back search, reports",
        "failures in a row",
    ] {
        assert!(trouble.contains(words), "no {words:?} in {trouble}");
    }
    let sentence = browser.text("#verdict-sentence").await;
    assert!(sentence.contains("cache has been down for"), "{sentence}");
    let row = browser.text("#d-reports").await;
    assert!(row.contains("waits for search"), "{row}");
    let held = "return document.querySelectorAll('.edge.holds').length";
    assert_eq!(browser.run(held).await, 2);
    let timeline = browser.text("#timeline").await;
    assert!(timeline.contains("cache went down"), "{timeline}");
    let news = browser.text("#news").await;
    assert!(news.contains("cache went down"), "{news}");

    stage.cache.restart_same_port().await;
    browser.until(&shows("reports", "ok", "up")).await;
    browser
        .until("return document.querySelector('h1').textContent === 'Ok'")
        .await;
    browser
        .until("return document.querySelector('#trouble').hidden")
        .await;
    let gap = "return document.querySelector('#d-cache .spark .gap').getAttribute('d') !== ''";
    browser.until(gap).await;

    stage.ledger.kill().await;
    browser
        .until("return document.querySelector('h1').textContent === 'Unavailable'")
        .await;
    browser.until(&shows("(api)", "error", "503")).await;

    assert_eq!(browser.run("return window.neverReloaded").await, true);
    let strangers = "return performance.getEntriesByType('resource')
        .map(entry => entry.name).filter(name => !name.startsWith(location.origin))";
    assert_eq!(browser.run(strangers).await, serde_json::json!([]));
    assert_eq!(browser.console().await, Vec::<String>::new());
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_hears_nothing_says_so_until_it_hears_again() {
    let options = DaemonOptions::default().variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "3s");
    let mut stage = Stage::with(options).await;
    let browser = opened(&stage).await;
    let says = |word: &str| format!("return document.querySelector('h1').textContent === {word:?}");

    // Frozen: the connection stands, and nobody speaks.
    stage.daemon.signal(Signal::STOP);
    browser.until(&says("No connection")).await;
    let sentence = browser.text("#verdict-sentence").await;
    assert!(sentence.contains("may not be now"), "{sentence}");
    assert!(browser.text("#connection").await.contains("no connection"));
    stage.daemon.signal(Signal::CONT);
    browser.until(&says("Ok")).await;

    stage.daemon.signal(Signal::TERM);
    browser.until(&says("Draining")).await;
    assert_eq!(stage.daemon.exit().await, 0);
    browser.until(&says("Stopped")).await;

    stage.daemon.serve_again().await;
    browser.until(&says("Ok")).await;
    let timeline =
        "return document.querySelector('#timeline').textContent.includes('cache came up')";
    browser.until(timeline).await;

    stage.daemon.signal(Signal::KILL);
    wait::until("it is gone", PATIENCE, async || stage.daemon.exit_now()).await;
    browser.until(&says("No connection")).await;
    browser.close().await;
}

#[tokio::test]
async fn words_of_a_peer_stay_words() {
    let evil = "<img src=x onerror=\"window.harmed = 1\"><script>window.harmed = 1</script>";
    let talker = Talker::answers(format!("-ERR {evil}\r\n").as_bytes()).await;
    let url = format!("redis://127.0.0.1:{}/0", talker.port());
    let daemon = DaemonOptions::default().brisk().cache(&url).serve().await;
    daemon.until_status("cache", "error").await;
    let browser = Browser::start().await;
    browser
        .open(&format!("http://127.0.0.1:{}/", daemon.admin()))
        .await;
    browser.until(&shows("cache", "error", "down")).await;
    let said = browser.text("#trouble-list .said").await;
    assert!(said.contains("<img src=x"), "{said}");
    assert_eq!(
        browser
            .run("return document.querySelector('img, #rows script')")
            .await,
        serde_json::Value::Null
    );
    assert_eq!(browser.run("return window.harmed ?? 0").await, 0);
    browser.close().await;
}
