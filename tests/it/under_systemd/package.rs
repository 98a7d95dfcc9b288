//! The life of the Debian package on a machine: installed, upgraded, removed,
//! purged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Machine, UNIT};
use crate::support::{DaemonOptions, Port, SystemdBox};

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

/// A machine to which packages are brought.
struct Host {
    machine: Machine,
    instances: [(Port, Port); 2],
}

impl Host {
    async fn boot() -> Self {
        let options = DaemonOptions::default().brisk().addresses_in_file();
        let systemd = SystemdBox::bare();
        // The machine has no say in what may be started here.
        let policy = systemd.path("/usr/sbin/policy-rc.d");
        let _ = std::fs::remove_file(policy);
        let machine = Machine { systemd, options };
        // Has nothing to do with us, and takes long.
        machine
            .must(&["rm", "--force", "/var/lib/man-db/auto-update"])
            .await;
        // Every machine has this, but for one where nothing is enabled.
        machine
            .must(&["mkdir", "/etc/systemd/system/multi-user.target.wants"])
            .await;
        let instance = || (Port::reserve(), Port::reserve());
        Self {
            machine,
            instances: [instance(), instance()],
        }
    }

    fn bring(&self, package: &Path) -> String {
        let name = package.file_name().unwrap().to_str().unwrap();
        let inside = format!("/var/tmp/{name}");
        std::fs::copy(package, self.machine.systemd.path(&inside)).unwrap();
        inside
    }

    /// Says where things are, as an administrator does.
    fn configure(&self) {
        let variables = self.machine.options.environment();
        let lines = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}\n"));
        // Written over, not anew: the mode stays.
        let path = self.machine.systemd.path(VARIABLES);
        std::fs::write(path, lines.collect::<String>()).unwrap();
        self.machine.write_config(self.machine.options.file_text());
        for (api, admin) in &self.instances {
            let text = format!("BUDGETD__ADMIN__LISTEN=127.0.0.1:{}\n", admin.number());
            let path = format!("/etc/budgetd/{}.env", api.number());
            self.machine.systemd.write(&path, &text);
        }
    }

    /// The instances, in the order of their names.
    fn instances(&self) -> [String; 2] {
        let mut names = [0, 1].map(|index| {
            let (api, _) = &self.instances[index];
            format!("budgetd@{}.service", api.number())
        });
        names.sort();
        names
    }

    /// Everything that runs or could.
    fn units(&self) -> Vec<String> {
        let mut units = vec![UNIT.to_owned()];
        units.extend(self.instances());
        units
    }

    async fn properties(&self, name: &str) -> Vec<String> {
        let mut properties = Vec::new();
        for unit in self.units() {
            properties.push(self.machine.property_of(&unit, name).await);
        }
        properties
    }

    fn exists(&self, path: &str) -> bool {
        self.machine.systemd.path(path).symlink_metadata().is_ok()
    }

    /// Every file, but for lists of what is installed.
    async fn files(&self) -> BTreeSet<String> {
        let mut words = vec!["find", "/etc", "/usr", "/var/lib"];
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
    assert!(host.exists("/usr/share/man/man1/budgetd-wait.1.gz"));

    host.configure();
    let units = host.units();
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    host.machine
        .must(&[&["systemctl", "enable", "--now"], &units[..]].concat())
        .await;
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
    let [one, other] = host.instances();
    let (back, away) = (
        when(&one, "ActiveEnter").await,
        when(&other, "ActiveExit").await,
    );
    assert!(
        back < away,
        "{other} went at {away}, {one} was back at {back}"
    );
    // Nobody's settings are touched; what is new lies beside them.
    let written = std::fs::read_to_string(host.machine.systemd.path(FILE)).unwrap();
    assert_eq!(written, host.machine.options.file_text());
    assert!(host.exists("/etc/budgetd/budgetd.toml.dpkg-dist"));

    // One that does not come back is not followed by the other.
    let name = one
        .trim_start_matches("budgetd@")
        .trim_end_matches(".service");
    let broken = format!("/etc/budgetd/{name}.env");
    host.machine
        .systemd
        .write(&broken, "BUDGETD__API__LISTEN=nowhere\n");
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
    let changed: Vec<_> = before.symmetric_difference(&after).collect();
    assert!(changed.is_empty(), "{changed:?}");
}
