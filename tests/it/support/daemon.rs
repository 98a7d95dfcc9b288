//! The daemon itself: the real program, with a configuration of its own.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::client::{self, Response};
use super::wait::{self, PATIENCE};
use super::{Port, assert_catalogued, process};

/// See [`DaemonOptions::brisk`].
pub(crate) const BRISK: &str = r#"
[checks]
interval = "100ms"
fast_interval = "20ms"
max_backoff = "100ms"
connect_timeout = "5s"
timeout = "5s"
"#;

/// How a daemon is to be started. Nothing of the test's own environment
/// reaches it.
#[derive(Debug)]
pub(crate) struct DaemonOptions {
    config: String,
    variables: Vec<(String, String)>,
    /// The limit of open files, soft and hard.
    open_files: Option<u32>,
    /// The soft limit of a file's size.
    file_size: Option<u64>,
    core: Option<usize>,
    names: Option<PathBuf>,
    folder: tempfile::TempDir,
    api: Port,
    admin: Port,
    addresses_elsewhere: bool,
}

impl Default for DaemonOptions {
    /// Listens on free ports, drains without delay, and has neither a database
    /// nor a cache yet.
    fn default() -> Self {
        Self {
            config: String::new(),
            variables: Vec::new(),
            open_files: None,
            file_size: None,
            core: None,
            names: None,
            folder: process::folder(),
            api: Port::reserve(),
            admin: Port::reserve(),
            addresses_elsewhere: false,
        }
        .variable("BUDGETD__LIFECYCLE__DRAIN_DELAY", "0s")
        .variable("DATABASE_REQUIRED", "false")
        .variable("DATABASE_URL", "")
        .variable("REDIS_ENABLED", "false")
    }
}

impl DaemonOptions {
    /// Adds to the configuration file.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Sets a variable; setting it again replaces it.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a variable out, so that the file may say.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// A required Postgres at `url`.
    pub(crate) fn database(self, url: &str) -> Self {
        self.variable("DATABASE_URL", url)
            .variable("DATABASE_REQUIRED", "true")
    }

    /// An optional Redis at `url`.
    pub(crate) fn cache(self, url: &str) -> Self {
        self.variable("REDIS_URL", url)
            .variable("REDIS_ENABLED", "true")
    }

    /// Names the addresses in the file, where a reload may change them.
    pub(crate) fn addresses_in_file(mut self) -> Self {
        self.addresses_elsewhere = true;
        let (api, admin) = (self.api.number(), self.admin.number());
        self.config(&format!(
            "[api]\nlisten = \"127.0.0.1:{api}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\""
        ))
    }

    /// Leaves out the addresses: whatever starts the daemon says them.
    pub(crate) fn without_addresses(mut self) -> Self {
        self.addresses_elsewhere = true;
        self
    }

    /// Checks in quick succession, with deadlines that a busy machine keeps:
    /// what a test waits for comes soon. It begins the configuration file.
    pub(crate) fn brisk(self) -> Self {
        self.config(BRISK)
    }

    /// Lets it open this many files and no more.
    pub(crate) fn open_files(mut self, limit: u32) -> Self {
        self.open_files = Some(limit);
        self
    }

    /// Lets no file that it writes grow larger; writing on is an error, as on a
    /// full disk.
    pub(crate) fn file_size(mut self, limit: u64) -> Self {
        self.file_size = Some(limit);
        self
    }

    /// Lets it run on this core alone, from its start.
    pub(crate) fn core(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    /// Resolves names by what stands in this file, as /etc/hosts has it, and by
    /// nothing else.
    pub(crate) fn names(mut self, hosts: &Path) -> Self {
        self.names = Some(hosts.to_owned());
        self
    }

    /// The text of the configuration file.
    pub(crate) fn file_text(&self) -> &str {
        &self.config
    }

    /// What it has as variables, addresses included.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        if !self.addresses_elsewhere {
            for (section, port) in [("API", &self.api), ("ADMIN", &self.admin)] {
                let name = format!("BUDGETD__{section}__LISTEN");
                variables.push((name, format!("127.0.0.1:{}", port.number())));
            }
        }
        variables.extend(self.variables.iter().cloned());
        variables
    }

    pub(crate) fn api_port(&self) -> u16 {
        self.api.number()
    }

    pub(crate) fn admin_port(&self) -> u16 {
        self.admin.number()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where [`DaemonOptions::config`] is written when it starts.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder.path().join("budgetd.toml")
    }

    /// The program with these options, for any of its commands.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        std::fs::write(self.config_file(), &self.config).expect("the folder is writable");
        self.command_as_it_is(arguments)
    }

    /// The same with the configuration file as it is by now.
    pub(crate) fn command_as_it_is(&self, arguments: &[&str]) -> Command {
        // Whatever becomes of the test, the daemon does not outlive it.
        let mut command = match &self.names {
            Some(hosts) => in_a_world_of(hosts, self.folder.path(), "setpriv"),
            None => Command::new("setpriv"),
        };
        command.args(["--pdeathsig", "KILL", "--"]);
        if let Some(limit) = self.open_files {
            command.args(["prlimit", &format!("--nofile={limit}:{limit}")]);
        }
        if let Some(limit) = self.file_size {
            command.args(["env", "--ignore-signal=XFSZ", "prlimit"]);
            command.arg(format!("--fsize={limit}:unlimited"));
        }
        if let Some(core) = self.core {
            command.args(["taskset", "--cpu-list", &core.to_string()]);
        }
        command
            .arg(env!("CARGO_BIN_EXE_budgetd"))
            .args(arguments)
            .arg("--config")
            .arg(self.config_file())
            .env_clear()
            .envs(self.environment())
            // Where a build that counts the lines that it reaches keeps count.
            .envs(std::env::var_os("LLVM_PROFILE_FILE").map(|file| ("LLVM_PROFILE_FILE", file)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts the daemon and waits for nothing.
    pub(crate) fn start(self) -> Daemon {
        let stdout = self.file("stdout");
        self.start_with_stdout(stdout)
    }

    /// Starts the daemon with a stdout of the test's own.
    pub(crate) fn start_with_stdout(self, stdout: impl Into<Stdio>) -> Daemon {
        let command = self.command(&["run"]);
        self.spawn(command, stdout)
    }

    /// Starts the daemon with whatever stands in place of its configuration
    /// file by now.
    pub(crate) fn start_as_it_is(self) -> Daemon {
        let command = self.command_as_it_is(&["run"]);
        let stdout = self.file("stdout");
        self.spawn(command, stdout)
    }

    fn spawn(self, command: Command, stdout: impl Into<Stdio>) -> Daemon {
        let child = self.spawn_child(command, stdout);
        Daemon {
            options: self,
            child,
            ended: None,
        }
    }

    fn spawn_child(&self, mut command: Command, stdout: impl Into<Stdio>) -> Child {
        command
            .stdout(stdout)
            .stderr(self.file("stderr"))
            .spawn()
            .expect("the program can be started")
    }

    fn file(&self, name: &str) -> File {
        let path = self.folder.path().join(name);
        File::create(path).expect("the folder is writable")
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) async fn serve(self) -> Daemon {
        let mut daemon = self.start();
        daemon.event("application_startup_complete").await;
        daemon
    }
}

/// A program that sees `hosts` in place of /etc/hosts, in a mount
/// namespace of its own. It takes root, or a kernel that lets users be root
/// among themselves.
fn in_a_world_of(hosts: &Path, folder: &Path, program: &str) -> Command {
    const SCRIPT: &str = "mount --bind \"$1\" /etc/hosts && \
         mount --bind \"$2\" /etc/nsswitch.conf && shift 2 && exec \"$@\"";
    let order = folder.join("nsswitch.conf");
    std::fs::write(&order, "hosts: files\n").expect("the folder is writable");
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--mount", "--", "sh", "-c", SCRIPT, "sh"])
        .args([hosts, &order])
        .arg(program);
    command
}

/// A daemon that was started; it is killed with this handle, and what it has
/// logged is held against the catalogue.
#[derive(Debug)]
pub(crate) struct Daemon {
    options: DaemonOptions,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Daemon {
    pub(crate) fn options(&self) -> &DaemonOptions {
        &self.options
    }

    /// The port of the API listener.
    pub(crate) fn api(&self) -> u16 {
        self.options.api.number()
    }

    /// The port of the admin listener.
    pub(crate) fn admin(&self) -> u16 {
        self.options.admin.number()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts it again once it has ended, on the same ports and with its files
    /// as they are, and waits until it serves. What it wrote before is gone.
    pub(crate) async fn serve_again(&mut self) {
        assert!(self.exited().is_some(), "it still runs");
        assert_catalogued(&self.stdout());
        let command = self.options.command_as_it_is(&["run"]);
        let stdout = self.options.file("stdout");
        self.child = self.options.spawn_child(command, stdout);
        self.ended = None;
        self.event("application_startup_complete").await;
    }

    /// Writes another configuration file in place of the first.
    pub(crate) fn rewrite_config(&self, toml: &str) {
        std::fs::write(self.options.config_file(), toml).expect("the folder is writable");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("it has an id"), signal).expect("it runs");
    }

    /// Undoes [`DaemonOptions::file_size`].
    pub(crate) fn lift_file_size(&self) {
        let pid = self.child.id().to_string();
        let lifted = Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited"])
            .status();
        assert!(lifted.expect("it can be started").success());
    }

    /// `GET path` from the API listener; an error is one of the connection.
    pub(crate) async fn get(&self, path: &str) -> std::io::Result<Response> {
        client::get(self.api(), path).await
    }

    /// `GET path` from the admin listener, which must answer.
    pub(crate) async fn ask(&self, path: &str) -> Response {
        client::get(self.admin(), path)
            .await
            .unwrap_or_else(|error| panic!("{error}; it wrote:\n{}", self.everything()))
    }

    /// `POST path` to the admin listener, which must answer.
    pub(crate) async fn post(&self, path: &str) -> Response {
        client::request(self.admin(), hyper::Method::POST, path, &[])
            .await
            .unwrap_or_else(|error| panic!("{error}; it wrote:\n{}", self.everything()))
    }

    /// The readiness document of the admin listener, with its code.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let response = self.ask("/health/ready").await;
        (response.code, response.json())
    }

    /// Waits until the admin listener answers.
    pub(crate) async fn open(&mut self) {
        let admin = self.admin();
        wait::until("the admin listener answers", PATIENCE, async || {
            self.assert_running();
            client::get(admin, "/health").await.ok().map(drop)
        })
        .await;
    }

    /// Waits until a dependency has a status, as readiness tells it.
    pub(crate) async fn until_status(&self, dependency: &str, status: &str) -> Value {
        let what = format!("{dependency} is {status}");
        wait::until(what, PATIENCE, async || {
            let (_, document) = self.readiness().await;
            let check = &document["checks"][dependency];
            (check["status"] == status).then(|| check.clone())
        })
        .await
    }

    /// Waits until readiness has an overall status, and answers with its code.
    pub(crate) async fn until_overall(&self, status: &str) -> u16 {
        wait::until(format!("readiness says {status}"), PATIENCE, async || {
            let (code, document) = self.readiness().await;
            (document["status"] == status).then_some(code)
        })
        .await
    }

    /// Every log line so far, each parsed: one that is no JSON fails the test.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let text = self.stdout();
        // The last line may still be on its way.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
            })
            .collect()
    }

    pub(crate) fn lines_of(&self, event: &str) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["event"] == event);
        lines
    }

    /// The transitions of a dependency that were logged, in order.
    pub(crate) fn transitions(&self, dependency: &str) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line["dependency"] == dependency);
        lines
            .iter()
            .filter_map(|line| line["transition"].as_str().map(ToOwned::to_owned))
            .collect()
    }

    /// Waits for the transitions of a dependency in the log, which is written a
    /// moment after readiness tells them, and finds no others.
    pub(crate) async fn assert_transitions(&self, dependency: &str, expected: &[&str]) {
        let what = format!("{} transitions of {dependency}", expected.len());
        let told = wait::until(what, PATIENCE, async || {
            let told = self.transitions(dependency);
            (told.len() >= expected.len()).then_some(told)
        });
        assert_eq!(told.await, expected);
    }

    /// Where events stand in the log, for comparing.
    pub(crate) fn place(&self, event: &str) -> usize {
        let found = self.lines().iter().position(|line| line["event"] == event);
        found.unwrap_or_else(|| panic!("no {event} in:\n{}", self.everything()))
    }

    /// What `/status` tells of a dependency.
    pub(crate) async fn status_of(&self, dependency: &str) -> Value {
        let status = self.ask("/status").await.json();
        let all = status["dependencies"].as_array().expect("it is a list");
        let found = all.iter().find(|entry| entry["name"] == dependency);
        found.expect("it is known").clone()
    }

    /// Waits until a dependency was checked so many more times.
    pub(crate) async fn until_checked(&self, dependency: &str, times: u64) {
        let attempts = async || self.status_of(dependency).await["attempts"].as_u64();
        let goal = attempts().await.map(|so_far| so_far + times);
        let what = format!("{dependency} is checked {times} times");
        wait::until(what, PATIENCE, async || {
            (attempts().await >= goal).then_some(())
        })
        .await;
    }

    /// Waits for the first line of an event.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        self.nth_event(event, 0).await
    }

    /// Waits for a further line of an event, counted from 0.
    pub(crate) async fn nth_event(&mut self, event: &str, nth: usize) -> Value {
        wait::until(format!("{event} is logged"), PATIENCE, async || {
            let found = self.lines_of(event).into_iter().nth(nth);
            if found.is_none() {
                self.assert_running();
            }
            found
        })
        .await
    }

    fn assert_running(&mut self) {
        if let Some(status) = self.exited() {
            panic!("it ended with {status}; it wrote:\n{}", self.everything());
        }
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.ended = self.ended.or(self.child.try_wait().ok().flatten());
        self.ended
    }

    /// The exit code, if it has ended.
    pub(crate) fn exit_now(&mut self) -> Option<i32> {
        Some(self.exited()?.code().unwrap_or(-1))
    }

    /// Waits for its end and answers with the exit code.
    pub(crate) async fn exit(&mut self) -> i32 {
        self.exit_within(PATIENCE * 3).await
    }

    pub(crate) async fn exit_within(&mut self, deadline: Duration) -> i32 {
        self.end_within(deadline).await.code().unwrap_or(-1)
    }

    /// The same as a shell tells it: 128 and the signal, if one ended it.
    pub(crate) async fn shell_code_within(&mut self, deadline: Duration) -> i32 {
        let status = self.end_within(deadline).await;
        let signalled = status.signal().map(|signal| 128 + signal);
        status.code().or(signalled).expect("it has ended")
    }

    async fn end_within(&mut self, deadline: Duration) -> ExitStatus {
        wait::until("the daemon ends", deadline, async || self.exited()).await
    }

    pub(crate) fn stdout(&self) -> String {
        self.read("stdout")
    }

    pub(crate) fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// Everything it wrote.
    pub(crate) fn everything(&self) -> String {
        format!("{}\n{}", self.stdout(), self.stderr())
    }

    fn read(&self, name: &str) -> String {
        let path = self.options.folder.path().join(name);
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8(bytes).expect("it writes UTF-8")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            assert_catalogued(&self.stdout());
        }
    }
}
