//! A server's processes: started without privileges, killed with their handle.

use std::fs::File;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::wait::{self, PATIENCE};

/// A program and all processes that it started.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Option<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts a program with its output in `folder`, as an ordinary user when
    /// this is root, and bound to the life of this thread.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        folder: &Path,
        arguments: &[String],
    ) -> Self {
        let start = unprivileged(Path::new("setpriv"));
        Self::start_by(start, name, program, folder, arguments)
    }

    /// The same as whoever this is.
    pub(crate) fn start_as_ourselves(
        name: &'static str,
        program: &Path,
        folder: &Path,
        arguments: &[String],
    ) -> Self {
        Self::start_by(Command::new("setpriv"), name, program, folder, arguments)
    }

    fn start_by(
        mut command: Command,
        name: &'static str,
        program: &Path,
        folder: &Path,
        arguments: &[String],
    ) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the folder is writable");
        let errors = output.try_clone().expect("a file can be duplicated");
        let child = command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // A Ctrl-C in the terminal is for the tests, which end the servers.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        Self {
            name,
            child: Some(child),
            log,
        }
    }

    /// What the program wrote.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `answers` finds the program answering.
    ///
    /// # Panics
    ///
    /// When it ends instead, or does neither in time; with what it wrote.
    pub(crate) async fn wait_until_it_answers(&mut self, mut answers: impl AsyncFnMut() -> bool) {
        let begin = tokio::time::Instant::now();
        wait::until(format!("{} answers", self.name), PATIENCE * 2, async || {
            assert!(
                !self.exited() && begin.elapsed() < PATIENCE,
                "{} does not answer; it wrote:\n{}",
                self.name,
                self.log()
            );
            answers().await.then_some(())
        })
        .await;
    }

    fn exited(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().is_ok_and(|status| status.is_some()),
            None => true,
        }
    }

    /// Asks the program to end with `signal` and waits until it has.
    pub(crate) async fn stop(&mut self, signal: Signal) {
        let Some(pid) = self.pid() else { return };
        send(pid, signal);
        wait::until(format!("{} stops", self.name), PATIENCE, async || {
            self.exited().then_some(())
        })
        .await;
        self.child = None;
    }

    pub(crate) async fn kill(&mut self) {
        let family = self.kill_now();
        wait::until(format!("{} is gone", self.name), PATIENCE, async || {
            family.iter().all(|pid| is_gone(*pid)).then_some(())
        })
        .await;
    }

    /// Kills all processes and returns who they were.
    fn kill_now(&mut self) -> Vec<Pid> {
        // Frozen first: nobody starts another one meanwhile.
        let family = self.freeze();
        for pid in &family {
            send(*pid, Signal::KILL);
        }
        if let Some(mut child) = self.child.take() {
            // Only a process that was waited for already is an error.
            let _ = child.wait();
        }
        family
    }

    /// Freezes all processes, parents first, and returns who they are. Servers
    /// may put each child into a process group of its own, as Postgres does,
    /// so it is the family tree that counts.
    pub(crate) fn freeze(&self) -> Vec<Pid> {
        let mut frozen: Vec<Pid> = Vec::new();
        loop {
            let family = self.family();
            let new: Vec<_> = family
                .into_iter()
                .filter(|pid| !frozen.contains(pid))
                .collect();
            if new.is_empty() {
                return frozen;
            }
            for pid in new {
                send(pid, Signal::STOP);
                frozen.push(pid);
            }
        }
    }

    pub(crate) fn thaw(&self) {
        for pid in self.family() {
            send(pid, Signal::CONT);
        }
    }

    fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id();
        Pid::from_raw(i32::try_from(id).ok()?)
    }

    /// The program and its descendants, parents first.
    pub(crate) fn family(&self) -> Vec<Pid> {
        let mut family: Vec<Pid> = self.pid().into_iter().collect();
        let everyone = everyone();
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            let children = everyone.iter().filter(|(_, its)| *its == parent);
            family.extend(children.map(|(pid, _)| *pid));
            next += 1;
        }
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_now();
    }
}

fn send(pid: Pid, signal: Signal) {
    // It may have ended by itself meanwhile.
    let _ = kill_process(pid, signal);
}

/// Every process with its parent.
fn everyone() -> Vec<(Pid, Pid)> {
    let entries = std::fs::read_dir("/proc").expect("/proc is mounted");
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let (_, parent) = stat(pid)?;
            Some((Pid::from_raw(pid)?, Pid::from_raw(parent)?))
        })
        .collect()
}

/// State and parent of a process: proc(5). Its name, in brackets before them,
/// may itself hold anything.
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

fn is_gone(pid: Pid) -> bool {
    matches!(stat(pid.as_raw_nonzero().get()), None | Some(('Z', _)))
}

/// A command that runs as an ordinary user when this is root: Postgres and
/// PgBouncer refuse to be root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = ordinary_user() {
        command.uid(user).gid(group);
    }
    command
}

/// Gives a file or folder to whoever the servers run as.
pub(crate) fn give_away(path: &Path) {
    if let Some((user, group)) = ordinary_user() {
        chown(path, Some(user), Some(group)).expect("root may give files away");
    }
}

/// User and group to become: none when this is an ordinary user already.
pub(crate) fn ordinary_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("there is a user database");
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// A temporary folder that the servers may write to. Its path is short, as
/// those of sockets must be. Memory is ten times as fast as a busy disk, where
/// there is enough of it.
pub(crate) fn folder() -> tempfile::TempDir {
    const ENOUGH_BYTES: u64 = 1 << 30;

    let memory = Path::new("/dev/shm");
    let roomy = rustix::fs::statvfs(memory)
        .is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) > ENOUGH_BYTES);
    let parent = if roomy { memory } else { Path::new("/tmp") };
    let folder = tempfile::Builder::new()
        .prefix("budgetd-")
        .tempdir_in(parent)
        .unwrap_or_else(|error| panic!("cannot write to {}: {error}", parent.display()));
    give_away(folder.path());
    folder
}

/// Finds a program in `PATH` and where Debian keeps servers.
pub(crate) fn find(program: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let known = ["/usr/sbin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(known)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!("cannot find {program}: install it (on Debian `apt-get install {package}`)")
        })
}
