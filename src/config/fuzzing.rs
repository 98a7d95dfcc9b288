//! Files, variables and URLs as anyone may have written them.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, memfd_create};

use super::address::Target;
use super::address::parse::{Parsed, http, postgres, redis, tcp};
use super::{Config, HttpTarget, Loaded, PostgresTarget, Problems, Secret, Sources, SslMode};
use super::{env_file, load};

/// The password of the kept inputs: no message ever holds it.
const SECRET: &str = "Tr0ub4dor-3-xyzzy";

/// A file that only this process sees.
struct Memory(File);

impl Memory {
    fn holding(bytes: &[u8]) -> Self {
        let descriptor = memfd_create("configuration", MemfdFlags::CLOEXEC);
        let mut file = File::from(descriptor.expect("a file in memory"));
        file.write_all(bytes).expect("it can be written");
        Self(file)
    }

    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// A configuration file.
pub fn configuration(bytes: &[u8]) -> bool {
    let file = Memory::holding(bytes);
    let loaded = load(&Sources {
        files: vec![file.path()],
        ..Sources::default()
    });
    judge(&loaded)
}

/// A file of variables. The same variables as an environment mean the same.
pub fn variables(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let entries = env_file::parse(&text);
    let whole = entries.iter().all(Result::is_ok);
    let environment: Vec<(OsString, OsString)> = entries
        .into_iter()
        .flatten()
        // It names a folder of this machine.
        .filter(|(name, _)| name != "CREDENTIALS_DIRECTORY")
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let file = Memory::holding(text.as_bytes());
    let of_file = load(&Sources {
        env_files: vec![file.path()],
        ..Sources::default()
    });
    let of_process = load(&Sources {
        environment,
        ..Sources::default()
    });
    judge(&of_process);
    if whole {
        match (&of_file, &of_process) {
            (Ok(one), Ok(other)) => assert_eq!(one.config, other.config),
            (Err(one), Err(other)) => {
                let told = |all: &Problems| -> Vec<_> {
                    all.iter().map(|problem| problem.key.clone()).collect()
                };
                assert_eq!(told(one), told(other));
            }
            _ => panic!("a file and an environment of the same variables differ"),
        }
    }
    judge(&of_file)
}

/// What holds of every configuration, and of everything that is wrong with
/// one.
fn judge(loaded: &Result<Loaded, Problems>) -> bool {
    match loaded {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                is_discreet(&warning.message);
            }
            reads_back(loaded);
            true
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some(), "refused without a reason");
            for problem in problems {
                is_discreet(&problem.message);
                is_one_line(&problem.to_string());
            }
            false
        }
    }
}

fn is_one_line(message: &str) {
    assert!(!message.contains(char::is_control), "{message:?}");
}

fn is_discreet(message: &str) {
    is_one_line(message);
    assert!(!message.contains(SECRET), "{message:?}");
}

/// What `budgetd check` prints is a configuration, and means what it says.
fn reads_back(loaded: &Loaded) {
    let table = |loaded: &Loaded| -> toml::Table {
        let text = loaded.resolved_toml();
        let parsed = text.parse();
        parsed.unwrap_or_else(|error| panic!("{error} in\n{text}"))
    };
    let printed = loaded.resolved_toml();
    let file = Memory::holding(printed.as_bytes());
    let again = load(&Sources {
        files: vec![file.path()],
        ..Sources::default()
    });
    let again = again.unwrap_or_else(|problems| panic!("{problems}\nof\n{printed}"));
    assert_eq!(table(loaded), table(&again), "{printed}");
    let config = shown(&loaded.config);
    assert_eq!(config, shown(&again.config), "{printed}");
    // Nor does it hang on a secret.
    let other = Loaded {
        config,
        ..loaded.clone()
    };
    assert_eq!(other.resolved_toml(), printed);
}

/// A configuration without what is never printed of it.
fn shown(config: &Config) -> Config {
    let mut config = config.clone();
    veil(&mut config.auth.jwt_secret);
    // An issuer that was derived is printed as if someone had set it.
    config.auth.issuer_required = false;
    if let Some(target) = &mut config.auth.key_set {
        veil_http(target);
    }
    if let Some(target) = &mut config.database.direct {
        veil_postgres(target);
    }
    for dependency in &mut config.dependencies {
        match &mut dependency.target {
            Some(Target::Postgres(target)) => veil_postgres(target),
            Some(Target::Redis(target)) => (target.user, target.password) = (None, None),
            Some(Target::Http(target)) => veil_http(target),
            Some(Target::Tcp(_)) | None => {}
        }
    }
    config
}

fn veil(secret: &mut Secret) {
    if !secret.is_empty() {
        *secret = Secret::from("***");
    }
}

fn veil_http(target: &mut HttpTarget) {
    target.credentials = None;
    if let Some(query) = target.path_and_query.find('?') {
        target.path_and_query.truncate(query);
    }
    for (_, value) in &mut target.headers {
        veil(value);
    }
}

fn veil_postgres(target: &mut PostgresTarget) {
    target.user.clear();
    target.password = None;
    target.ssl_mode = SslMode::Prefer;
    target.ssl_root_cert = None;
}

type Parse = fn(&str) -> Result<Parsed<Target>, String>;

/// An address.
pub fn url(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let parsers: [Parse; 4] = [
        |text| postgres(text).map(|parsed| with(parsed, Target::Postgres)),
        |text| redis(text).map(|parsed| with(parsed, Target::Redis)),
        |text| http(text).map(|parsed| with(parsed, Target::Http)),
        |text| tcp(text).map(|parsed| with(parsed, Target::Tcp)),
    ];
    let mut taken = 0;
    for parse in parsers {
        match parse(&text) {
            Ok(parsed) => {
                taken += 1;
                shows_no_password(&text, &parsed);
                names_the_same(&parsed.target, parse);
            }
            Err(message) => is_discreet(&message),
        }
    }
    assert!(taken <= 1, "{text:?} is of {taken} kinds");
    taken == 1
}

fn with<T>(parsed: Parsed<T>, kind: impl FnOnce(T) -> Target) -> Parsed<Target> {
    Parsed {
        target: kind(parsed.target),
        ignored: parsed.ignored,
    }
}

/// What stands in front of an `@` is a user and a password, however odd.
fn shows_no_password(text: &str, parsed: &Parsed<Target>) {
    let shown = parsed.target.to_string();
    is_one_line(&shown);
    for message in &parsed.ignored {
        is_discreet(message);
    }
    let Some((before, after)) = text.rsplit_once('@') else {
        return;
    };
    // Of a database, the user's name is no secret; a database without a name
    // has that of its user.
    let user = match &parsed.target {
        Target::Postgres(target) => &target.user,
        Target::Redis(target) => target.user.as_deref().unwrap_or_default(),
        Target::Http(_) | Target::Tcp(_) => "",
    };
    if before.contains(SECRET) && !after.contains(SECRET) && !user.contains(SECRET) {
        for told in [shown, format!("{:?}", parsed.target)] {
            assert!(!told.contains(SECRET), "{text:?} is shown as {told}");
        }
    }
}

/// What is shown is a URL of the same server.
fn names_the_same(target: &Target, parse: fn(&str) -> Result<Parsed<Target>, String>) {
    let shown = target.to_string();
    let again = parse(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
    assert_eq!(again.target.to_string(), shown);
    let place = |target: &Target| match target {
        Target::Postgres(target) => (target.address.clone(), target.database.clone()),
        Target::Redis(target) => (target.address.clone(), target.database.to_string()),
        Target::Http(target) => {
            let address = super::Address::Tcp {
                host: target.host.clone(),
                port: target.port,
            };
            let path = target.path_and_query.split('?').next();
            (address, format!("{} {path:?}", target.tls))
        }
        Target::Tcp(address) => (address.clone(), String::new()),
    };
    assert_eq!(place(&again.target), place(target), "{shown}");
}
