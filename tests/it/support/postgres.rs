//! A private Postgres server.

use std::path::{Path, PathBuf};
use std::process::Command;

use budgetd::config::{Address, PostgresTarget, Secret, ServerAccess, SslMode};
use rustix::process::Signal;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::process::{self, Process};
use super::{Port, ServerCertificate, within};

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct PostgresOptions {
    /// The password of `postgres`, asked for on TCP; none: all are trusted.
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<ServerCertificate>,
    /// In recovery for ever, as a standby that waits for its primary.
    pub(crate) standby: bool,
    /// Further settings: name and value.
    pub(crate) settings: Vec<(String, String)>,
    /// The data of a server that has stopped, in place of none.
    pub(crate) data: Option<PathBuf>,
}

impl PostgresOptions {
    /// Begins with a copy of another server's data.
    pub(crate) fn data(mut self, of: &Path) -> Self {
        self.data = Some(of.to_owned());
        self
    }

    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    pub(crate) fn tls(mut self, certificate: ServerCertificate) -> Self {
        self.tls = Some(certificate);
        self
    }

    pub(crate) fn standby(mut self) -> Self {
        self.standby = true;
        self
    }

    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn start(self) -> Postgres {
        let folder = process::folder();
        let data = folder.path().join("data");
        match &self.data {
            Some(other) => copy_data(other, &data),
            None => copy_data(&template().await, &data),
        }
        if let Some(certificate) = &self.tls {
            certificate.write(folder.path());
        }
        if self.standby {
            let signal = data.join("standby.signal");
            std::fs::write(&signal, "").expect("the folder is writable");
            process::give_away(&signal);
        }
        write_access_rules(&data, &self);
        if let Some(password) = &self.password {
            set_password(&data, password);
        }
        let port = Port::reserve();
        let process = launch(&self, folder.path(), &port);
        let mut postgres = Postgres {
            process,
            port,
            options: self,
            folder,
        };
        postgres.wait_until_it_answers().await;
        postgres
    }
}

/// A running server; see [`super`].
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Process,
    port: Port,
    options: PostgresOptions,
    folder: tempfile::TempDir,
}

super::suffers!(Postgres);

impl Postgres {
    pub(crate) async fn start() -> Self {
        PostgresOptions::default().start().await
    }

    /// Ends it as an operator would: a "fast" shutdown.
    pub(crate) async fn stop(&mut self) {
        self.process.stop(Signal::INT).await;
    }

    /// Starts it again, killing it first if it runs: the same port, data and
    /// settings.
    pub(crate) async fn restart_same_port(&mut self) {
        self.process.kill().await;
        self.process = launch(&self.options, self.folder.path(), &self.port);
        self.wait_until_it_answers().await;
    }

    /// Changes the settings of the next start.
    pub(crate) fn options(&mut self) -> &mut PostgresOptions {
        &mut self.options
    }

    pub(crate) fn url(&self) -> String {
        let password = match &self.options.password {
            Some(password) => format!(":{password}"),
            None => String::new(),
        };
        let port = self.port();
        format!("postgres://postgres{password}@localhost:{port}/postgres")
    }

    pub(crate) fn target(&self) -> PostgresTarget {
        PostgresTarget {
            address: Address::Tcp {
                host: "localhost".into(),
                port: self.port(),
            },
            user: "postgres".into(),
            password: self.options.password.as_deref().map(Secret::from),
            database: "postgres".into(),
            ssl_mode: SslMode::Prefer,
            ssl_root_cert: None,
            access: ServerAccess::Primary,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port()))
    }

    /// Where its data lie.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs statements over the socket file, where everyone is trusted.
    pub(crate) async fn execute(&self, sql: &str) {
        self.execute_in("postgres", sql).await;
    }

    /// The same in another database.
    pub(crate) async fn execute_in(&self, database: &str, sql: &str) {
        within(sql, execute(self.folder.path(), self.port(), database, sql))
            .await
            .unwrap_or_else(|error| panic!("cannot run {sql}: {error:?}"));
    }

    async fn wait_until_it_answers(&mut self) {
        let folder = self.folder.path().to_owned();
        let port = self.port();
        // Without hot standby no query is ever answered, but connections are.
        let hot = !self
            .options
            .settings
            .contains(&("hot_standby".into(), "off".into()));
        self.process
            .wait_until_it_answers(async || {
                match execute(&folder, port, "postgres", "SELECT 1").await {
                    Ok(()) => true,
                    Err(error) => !hot && error.code() == Some(&SqlState::CANNOT_CONNECT_NOW),
                }
            })
            .await;
    }
}

/// Runs statements through a socket file in `folder`.
pub(super) async fn execute(
    folder: &Path,
    port: u16,
    database: &str,
    sql: &str,
) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host_path(folder)
        .port(port)
        .user("postgres")
        .dbname(database)
        .connect(NoTls)
        .await?;
    tokio::select! {
        done = client.simple_query(sql) => done.map(|_| ()),
        ended = connection => ended,
    }
}

fn launch(options: &PostgresOptions, folder: &Path, port: &Port) -> Process {
    let inside = |name: &str| folder.join(name).display().to_string();
    let mut arguments = vec!["-D".into(), inside("data")];
    let mut set = |name: &str, value: &str| {
        arguments.extend(["-c".into(), format!("{name}={value}")]);
    };
    set("listen_addresses", "127.0.0.1");
    set("port", &port.number().to_string());
    set("unix_socket_directories", &folder.display().to_string());
    // Nothing here outlives the machine.
    set("fsync", "off");
    set("full_page_writes", "off");
    set("shared_buffers", "8MB");
    set("max_wal_size", "16MB");
    set("autovacuum", "off");
    if options.tls.is_some() {
        set("ssl", "on");
        set("ssl_cert_file", &inside("server.crt"));
        set("ssl_key_file", &inside("server.key"));
    }
    for (name, value) in &options.settings {
        set(name, value);
    }
    Process::start(
        "postgres",
        &postgres_program("postgres"),
        folder,
        &arguments,
    )
}

/// A program of Postgres. Debian keeps these out of `PATH`, one folder for each
/// version: the newest.
pub(crate) fn postgres_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let newest = versions
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin").join(name))
        .filter(|binary| binary.is_file())
        .max_by_key(|binary| {
            let version = binary.ancestors().nth(2).and_then(Path::file_name);
            version.and_then(|v| v.to_str()?.parse::<u32>().ok())
        });
    newest.unwrap_or_else(|| process::find(name, "postgresql"))
}

/// `initdb` costs a second and copying its result a tenth of it: so it runs
/// once for each version and is kept where cargo keeps such things.
async fn template() -> PathBuf {
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let guard = ONE_AT_A_TIME.lock().await;
    let initdb = postgres_program("initdb");
    let version = Command::new(&initdb)
        .arg("--version")
        .output()
        .expect("initdb runs")
        .stdout;
    let version = String::from_utf8_lossy(&version)
        .replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(version.trim_matches('-'));
    if !template.is_dir() {
        let folder = process::folder();
        let fresh = folder.path().join("data");
        let mut command = process::unprivileged(&initdb);
        command
            .current_dir(folder.path())
            .args(["--username=postgres", "--auth=trust", "--no-sync"])
            .args(["--no-locale", "--encoding=UTF8", "--wal-segsize=1", "-D"])
            .arg(&fresh);
        run(command);
        // A copy that is renamed is there as a whole or not at all, also when
        // another run of the tests does the same.
        let copy = template.with_extension(format!("new-{}", std::process::id()));
        run(copying(&fresh, &copy));
        if std::fs::rename(&copy, &template).is_err() {
            // Another run was faster.
            let _ = std::fs::remove_dir_all(&copy);
        }
    }
    drop(guard);
    template
}

fn copy_data(from: &Path, data: &Path) {
    run(copying(from, data));
    if let Some((user, group)) = process::ordinary_user() {
        let mut command = Command::new("chown");
        command.arg("-R").arg(format!("{user}:{group}")).arg(data);
        run(command);
    }
}

fn copying(from: &Path, to: &Path) -> Command {
    let mut command = Command::new("cp");
    command
        .args(["-r", "--preserve=mode", "--reflink=auto"])
        .arg(from)
        .arg(to);
    command
}

fn run(mut command: Command) {
    let output = command.output().expect("the command can be started");
    assert!(
        output.status.success(),
        "cannot run {command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Everyone is trusted on the socket file. On TCP a password is asked for if
/// there is one, and a server with a certificate takes nothing unencrypted.
fn write_access_rules(data: &Path, options: &PostgresOptions) {
    let host = if options.tls.is_some() {
        "hostssl"
    } else {
        "host"
    };
    let method = if options.password.is_some() {
        "scram-sha-256"
    } else {
        "trust"
    };
    let rules = format!("local all all trust\n{host} all all 127.0.0.1/32 {method}\n");
    std::fs::write(data.join("pg_hba.conf"), rules).expect("the folder is writable");
}

/// Gives `postgres` a password. A server alone with its data (single-user
/// mode) does it, so that nobody ever gets in without.
fn set_password(data: &Path, password: &str) {
    use std::io::Write;

    let mut command = process::unprivileged(&postgres_program("postgres"));
    let mut child = command
        .arg("--single")
        .arg("-F")
        .arg("-D")
        .arg(data)
        .arg("postgres")
        .current_dir(data)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("postgres can be started");
    let statement = format!("ALTER USER postgres PASSWORD '{password}'\n");
    let mut input = child.stdin.take().expect("it is piped");
    input
        .write_all(statement.as_bytes())
        .expect("it reads its input");
    drop(input);
    assert!(child.wait().is_ok_and(|status| status.success()));
}
