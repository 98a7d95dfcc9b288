//! The units under a real systemd. Where a machine cannot boot one, these tests
//! fail and say why; `etc/test` leaves them out there, by name, and says so.

#![allow(clippy::unwrap_used, reason = "whatever is missing fails the test")]

use std::process::Output;

use serde_json::Value;

use crate::support::client::{self, Response};
use crate::support::{DaemonOptions, PATIENCE, SystemdBox, wait};

mod start;

mod refusal;

mod credentials;

mod reload;

mod watchdog;

mod stop;

mod sandbox;

mod instances;

mod waiting;

mod package;

/// The unit that most tests are about.
const UNIT: &str = "budgetd.service";

/// A machine on which budgetd is installed and not started yet.
struct Machine {
    systemd: SystemdBox,
    options: DaemonOptions,
}

impl Machine {
    /// With these options in the files that the units read.
    fn boot(options: DaemonOptions) -> Self {
        Self::with(SystemdBox::boot(), options)
    }

    /// The same with no server but its own.
    fn boot_alone(options: DaemonOptions) -> Self {
        Self::with(SystemdBox::boot_alone(), options)
    }

    fn with(systemd: SystemdBox, options: DaemonOptions) -> Self {
        let machine = Self { systemd, options };
        machine.write_config(machine.options.file_text());
        let variables = machine.options.environment();
        let lines = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        let environment: String = lines.collect();
        machine
            .systemd
            .write("/etc/budgetd/budgetd.env", &environment);
        machine
    }

    fn write_config(&self, text: &str) {
        self.systemd.write("/etc/budgetd/budgetd.toml", text);
    }

    /// Overrides part of a unit, as `systemctl edit` does.
    async fn edit(&self, unit: &str, text: &str) {
        let path = format!("/etc/systemd/system/{unit}.d/override.conf");
        self.systemd.write(&path, text);
        self.must(&["systemctl", "daemon-reload"]).await;
    }

    async fn systemctl(&self, words: &[&str]) -> Output {
        self.systemd.run(&[&["systemctl"], words].concat()).await
    }

    /// Runs a command that has to work, and answers with what it printed.
    async fn must(&self, words: &[&str]) -> String {
        let output = self.systemd.run(words).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{words:?}: {printed}{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.journal_text().await
        );
        printed
    }

    /// Runs a server in the box, under a name of its own.
    async fn run_server(&self, name: &str, words: &[&str]) {
        let unit = format!("--unit={name}");
        let words = [&["systemd-run", "--quiet", &unit], words].concat();
        self.must(&words).await;
    }

    /// Waits until a command works.
    async fn until_works(&self, words: &[&str]) {
        wait::until(words.join(" "), PATIENCE, async || {
            let output = self.systemd.run(words).await;
            output.status.success().then_some(())
        })
        .await;
    }

    /// Starts the unit, which has to work.
    async fn start(&self) {
        self.must(&["systemctl", "start", UNIT]).await;
    }

    /// Starts the unit, which must not work, and answers with how the program
    /// ended and with what becomes of the unit: `failed`, or `auto-restart`.
    async fn fail_to_start(&self) -> (String, String) {
        let started = self.systemctl(&["start", UNIT]).await;
        let journal = self.journal_text().await;
        assert!(!started.status.success(), "it has started: {journal}");
        (
            self.property("ExecMainStatus").await,
            self.property("SubState").await,
        )
    }

    /// A property of the unit.
    async fn property(&self, name: &str) -> String {
        self.property_of(UNIT, name).await
    }

    async fn property_of(&self, unit: &str, name: &str) -> String {
        let words = ["systemctl", "show", "--value", "--property", name, unit];
        self.must(&words).await.trim().to_owned()
    }

    async fn until_property(&self, name: &str, value: &str) {
        wait::until(format!("{name} is {value}"), PATIENCE, async || {
            (self.property(name).await == value).then_some(())
        })
        .await;
    }

    /// Waits until `systemctl status` shows a sentence that begins like this.
    async fn until_sentence(&self, begin: &str) -> String {
        wait::until(format!("the sentence {begin:?}"), PATIENCE, async || {
            let sentence = self.property("StatusText").await;
            sentence.starts_with(begin).then_some(sentence)
        })
        .await
    }

    /// What the journal has of a unit, from the program and about it.
    async fn journal(&self, unit: &str) -> Vec<Value> {
        let printed = self
            .must(&["journalctl", "-q", "-o", "json", "-u", unit])
            .await;
        let parse = |line| serde_json::from_str(line).unwrap();
        printed.lines().map(parse).collect()
    }

    /// Everything the journal has, for people.
    async fn journal_text(&self) -> String {
        let output = self
            .systemd
            .run(&["journalctl", "-q", "-u", "budgetd*"])
            .await;
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What budgetd logged under a unit: lines of its stdout.
    async fn lines(&self, unit: &str) -> Vec<Value> {
        let entries = self.journal(unit).await;
        let messages = entries.iter().filter_map(|entry| entry["MESSAGE"].as_str());
        messages
            .filter_map(|message| serde_json::from_str(message).ok())
            .collect()
    }

    async fn until_event(&self, event: &str) -> Value {
        wait::until(format!("{event} is logged"), PATIENCE, async || {
            let mut lines = self.lines(UNIT).await.into_iter();
            lines.find(|line| line["event"] == event)
        })
        .await
    }

    /// Waits until the journal of the unit has a message that holds `text`.
    async fn until_said(&self, unit: &str, text: &str) -> String {
        wait::until(
            format!("the journal of {unit} says {text:?}"),
            PATIENCE,
            async || {
                let entries = self.journal(unit).await;
                let messages = entries.iter().filter_map(|entry| entry["MESSAGE"].as_str());
                let mut found = messages.filter(|message| message.contains(text));
                found.next().map(ToOwned::to_owned)
            },
        )
        .await
    }

    async fn get(&self, path: &str) -> std::io::Result<Response> {
        client::get(self.options.api_port(), path).await
    }
}
