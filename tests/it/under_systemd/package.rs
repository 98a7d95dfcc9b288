//! The life of the Debian package on a machine: installed, upgraded, removed,
//! purged.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Machine, UNIT};
use crate::support::{DaemonOptions, SystemdBox};

const FILE: &str = "/etc/budgetd/budgetd.toml";
const VARIABLES: &str = "/etc/budgetd/budgetd.env";

/// Runs a program of the machine's, which has to work.
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// Packs the program that the tests run.
fn package(folder: &Path) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_budgetd"));
    let built = program.parent().unwrap().file_name().unwrap();
    let profile = match built.to_str().unwrap() {
        "debug" => "dev",
        other => other,
    };
    let path = folder.join("first.deb");
    let output = path.to_str().unwrap();
    run(
        "etc/package",
        &[
            "--no-build",
            "--profile",
            profile,
            "--fast",
            "--quiet",
            "--output",
            output,
        ],
    );
    path
}

/// The same with a higher version, and another default in its configuration.
fn next_version(first: &Path) -> PathBuf {
    let (files, path) = (first.with_extension("d"), first.with_file_name("next.deb"));
    let [first, folder, next] = [first, &files, &path].map(|path| path.to_str().unwrap());
    run("dpkg-deb", &["--raw-extract", first, folder]);
    for (file, from, to) in [
        ("DEBIAN/control", "\nVersion: ", "\nVersion: 9:"),
        ("etc/budgetd/budgetd.toml", "\"10s\"", "\"11s\""),
    ] {
        let file = files.join(file);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&file, text.replace(from, to)).unwrap();
    }
    run(
        "dpkg-deb",
        &["--root-owner-group", "-Znone", "--build", folder, next],
    );
    path
}

/// Settings that need no server, as an administrator writes them.
const SETTINGS: &str = "\
DATABASE_REQUIRED=false
DATABASE_URL=
REDIS_ENABLED=false
BUDGETD__LIFECYCLE__DRAIN_DELAY=0s
";

/// Everything that the administrator wants to run; of instances, the first by
/// name is the first to be restarted.
const RUNNING: [&str; 3] = [UNIT, "budgetd@8001.service", "budgetd@8002.service"];

/// A machine to which packages are brought.
struct Host {
    machine: Machine,
}

impl Host {
    async fn boot() -> Self {
        let systemd = SystemdBox::bare();
        // The machine below has no say in what may be started here.
        let policy = systemd.path("/usr/sbin/policy-rc.d");
        let _ = std::fs::remove_file(policy);
        let options = DaemonOptions::default();
        let machine = Machine { systemd, options };
        // Has nothing to do with us, and takes long.
        machine
            .must(&["rm", "--force", "/var/lib/man-db/auto-update"])
            .await;
        // Every machine has this, but for one where nothing is enabled.
        machine
            .must(&["mkdir", "/etc/systemd/system/multi-user.target.wants"])
            .await;
        Self { machine }
    }

    fn bring(&self, package: &Path) -> String {
        let name = package.file_name().unwrap().to_str().unwrap();
        let inside = format!("/var/tmp/{name}");
        std::fs::copy(package, self.machine.systemd.path(&inside)).unwrap();
        inside
    }

    /// Adds to a file, so that its mode stays.
    fn append(&self, inside: &str, text: &str) {
        let path = self.machine.systemd.path(inside);
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(&self, inside: &str) -> String {
        std::fs::read_to_string(self.machine.systemd.path(inside)).unwrap()
    }

    async fn properties(&self, name: &str) -> Vec<String> {
        let mut properties = Vec::new();
        for unit in RUNNING {
            properties.push(self.machine.property_of(unit, name).await);
        }
        properties
    }

    fn exists(&self, path: &str) -> bool {
        self.machine.systemd.path(path).symlink_metadata().is_ok()
    }

    /// Every file that is no part of a package, and no list of packages.
    async fn files(&self) -> BTreeSet<String> {
        let mut words = vec!["find", "/etc", "/var/lib"];
        for path in ["/var/lib/dpkg/*", "/var/lib/apt/*", "/var/lib/PackageKit/*"] {
            words.extend(["-not", "-path", path]);
        }
        let printed = self.machine.must(&words).await;
        printed.lines().map(ToOwned::to_owned).collect()
    }
}

#[tokio::test]
async fn it_comes_and_goes_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let first = package(folder.path());
    let next = next_version(&first);
    let host = Host::boot().await;
    let before = host.files().await;

    // Installed, and nothing is started that does not know where its database is.
    let install = ["apt-get", "install", "--yes", &host.bring(&first)];
    host.machine.must(&install).await;
    assert_eq!(host.machine.property("UnitFileState").await, "disabled");
    assert_eq!(host.machine.property("ActiveState").await, "inactive");
    let modes = ["stat", "--format", "%a %U", FILE, VARIABLES];
    assert_eq!(host.machine.must(&modes).await, "644 root\n600 root\n");
    host.machine.must(&["budgetd", "check", "--quiet"]).await;
    let complete = ". /usr/share/bash-completion/completions/budgetd; \
         COMP_WORDS=(budgetd mi); COMP_CWORD=1; _budgetd budgetd mi budgetd; echo ${COMPREPLY[@]}";
    let completed = host.machine.must(&["bash", "-c", complete]).await;
    assert_eq!(completed, "migrate\n");
    let contents = host.machine.must(&["dpkg", "--listfiles", "budgetd"]).await;
    let documents = host.machine.property("Documentation").await;
    for file in ["/usr/share/man/man1/budgetd-wait.1.gz", &documents] {
        let file = file.trim_start_matches("file://");
        assert!(contents.lines().any(|line| line == file), "{file}");
    }

    host.append(VARIABLES, SETTINGS);
    host.append(FILE, "# by hand\n");
    let start = [&["systemctl", "enable", "--now"], &RUNNING[..]].concat();
    host.machine.must(&start).await;
    let old = host.properties("MainPID").await;

    // Upgraded: what ran runs the new program, and instances take turns.
    let upgrade = ["dpkg", "--force-confold", "--install", &host.bring(&next)];
    host.machine.must(&upgrade).await;
    assert_eq!(host.properties("ActiveState").await, ["active"; 3]);
    let new = host.properties("MainPID").await;
    for (old, new) in old.iter().zip(&new) {
        assert_ne!(old, new);
    }
    let when = async |unit: &str, what: &str| -> u64 {
        let property = format!("{what}TimestampMonotonic");
        let stamp = host.machine.property_of(unit, &property).await;
        stamp.parse().unwrap()
    };
    let [_, one, other] = RUNNING;
    let back = when(one, "ActiveEnter").await;
    let away = when(other, "ActiveExit").await;
    assert!(back < away, "{other} went before {one} was back");
    // Nobody's settings are touched; what is new lies beside them.
    assert!(host.read(VARIABLES).ends_with(SETTINGS));
    assert!(host.read(FILE).ends_with("# by hand\n"));
    assert!(host.exists("/etc/budgetd/budgetd.toml.dpkg-dist"));

    // One that does not come back is not followed by the other.
    let broken = "BUDGETD__API__LISTEN=nowhere\n";
    host.machine.systemd.write("/etc/budgetd/8001.env", broken);
    host.machine.must(&upgrade).await;
    assert_eq!(
        host.properties("ActiveState").await,
        ["active", "failed", "active"]
    );
    assert_eq!(host.properties("MainPID").await[2], new[2]);

    // Removed: nothing runs, and what was configured waits.
    host.machine.must(&["dpkg", "--remove", "budgetd"]).await;
    let running = [
        "systemctl",
        "list-units",
        "--no-legend",
        "--state=active",
        "budgetd*",
    ];
    assert_eq!(host.machine.must(&running).await, "");
    assert!(!host.exists("/usr/bin/budgetd"));
    assert!(host.exists(FILE) && host.exists(VARIABLES));

    // Purged: as if it had never been there.
    host.machine.must(&["dpkg", "--purge", "budgetd"]).await;
    let after = host.files().await;
    for file in contents.lines() {
        // Folders that others have, too, were there before.
        let shared = Path::new(file).exists();
        assert!(shared || !host.exists(file), "{file} is still there");
    }
    let changed: Vec<_> = before.symmetric_difference(&after).collect();
    assert!(changed.is_empty(), "{changed:?}");
}
