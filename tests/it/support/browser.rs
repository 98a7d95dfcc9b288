//! A private Chromium without a window, driven over `WebDriver`.

use serde_json::{Value, json};
use thirtyfour::common::capabilities::desiredcapabilities::Capabilities;
use thirtyfour::prelude::*;
use tokio::net::TcpStream;

use super::process::{self, Process};
use super::{PATIENCE, Port, client, wait};

/// Nothing but the page under test is asked for, and nothing is kept.
const FLAGS: [&str; 10] = [
    "--headless",
    // Root cannot have one, and the page is ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
];

/// A browser with one tab; see [`super`].
#[derive(Debug)]
pub(crate) struct Browser {
    // Told to end before its driver is killed.
    driver: WebDriver,
    port: Port,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let (folder, port) = (process::folder(), Port::reserve());
        let program = process::find("chromedriver", "chromium-driver");
        process::find("chromium", "chromium");
        let arguments = [format!("--port={}", port.number())];
        let mut process = Process::start("chromedriver", &program, folder.path(), &arguments);
        let number = port.number();
        process
            .wait_until_it_answers(async || {
                let status = client::get(number, "/status").await;
                status.is_ok_and(|status| status.code == 200)
            })
            .await;
        // With the feature `otel` the driver's client takes what stands for the
        // whole process; an error means that something does.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let driver = WebDriver::new(format!("http://127.0.0.1:{number}"), wanted(folder.path()));
        let driver = driver
            .await
            .unwrap_or_else(|error| panic!("{error}; it wrote:\n{}", process.log()));
        Self {
            driver,
            port,
            _process: process,
            _folder: folder,
        }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.driver.goto(url).await.expect("the page loads");
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        let returned = self.driver.execute(script, Vec::new()).await;
        let returned = returned.unwrap_or_else(|error| panic!("{error} in {script}"));
        returned.json().clone()
    }

    /// What a script returns that calls its last argument.
    pub(crate) async fn run_to_callback(&self, script: &str) -> Value {
        let returned = self.driver.execute_async(script, Vec::new()).await;
        let returned = returned.unwrap_or_else(|error| panic!("{error} in {script}"));
        returned.json().clone()
    }

    /// Waits until a script returns true.
    pub(crate) async fn until(&self, script: &str) {
        wait::until(script, PATIENCE, async || {
            (self.run(script).await == true).then_some(())
        })
        .await;
    }

    /// The text of the first element of a kind, as it is seen.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.innerText ?? ''");
        self.run(&script).await.as_str().expect("a text").to_owned()
    }

    /// Presses Tab so many times.
    pub(crate) async fn tab(&self, times: usize) {
        self.press(&String::from(Key::Tab.value()).repeat(times))
            .await;
    }

    pub(crate) async fn enter(&self) {
        self.press(&String::from(Key::Enter.value())).await;
    }

    async fn press(&self, keys: &str) {
        let pressed = self.driver.action_chain().send_keys(keys).perform().await;
        pressed.expect("keys are pressed");
    }

    pub(crate) async fn size(&self, width: u32, height: u32, is_phone: bool) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone,
        });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// `light` or `dark`, as the reader's system has it.
    pub(crate) async fn colours(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.tell("Emulation.setEmulatedMedia", features).await;
    }

    async fn tell(&self, command: &str, parameters: Value) {
        let told = self.driver.cdp().send_raw(command, parameters).await;
        told.unwrap_or_else(|error| panic!("{command}: {error}"));
    }

    /// What stands in the console since this was last asked.
    pub(crate) async fn console(&self) -> Vec<String> {
        let path = format!("/session/{}/se/log", self.driver.session_id());
        let stream = TcpStream::connect(("127.0.0.1", self.port.number())).await;
        let headers = [("content-type", "application/json")];
        let body = r#"{"type": "browser"}"#;
        let stream = stream.expect("the driver listens");
        let answer = client::request_over(stream, hyper::Method::POST, &path, &headers, body).await;
        let answer = answer.expect("an answer").json();
        let lines = answer["value"].as_array().expect("a list").iter();
        lines.map(|line| line["message"].to_string()).collect()
    }

    /// Ends it. A browser that is merely dropped is killed.
    pub(crate) async fn close(self) {
        self.driver.quit().await.expect("it ends");
    }
}

fn wanted(folder: &std::path::Path) -> Capabilities {
    let mut chrome = DesiredCapabilities::chrome();
    let data = format!("--user-data-dir={}", folder.join("data").display());
    for flag in FLAGS.into_iter().chain([data.as_str()]) {
        chrome.add_arg(flag).expect("a flag");
    }
    let mut all = Capabilities::from(chrome);
    all.set("goog:loggingPrefs", json!({"browser": "ALL"}))
        .expect("a capability");
    all
}
