//! A private PgBouncer in transaction mode.

use std::path::Path;

use budgetd::config::{Address, PostgresTarget, Secret};
use rustix::process::Signal;

use super::process::{self, Process};
use super::{Port, Postgres, ServerCertificate, postgres};

/// How a pooler is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct PgBouncerOptions {
    /// Asked for in place of the server's own password.
    pub(crate) password: Option<String>,
    /// Speak TLS with clients, with this.
    pub(crate) tls: Option<ServerCertificate>,
    /// The database that clients can name, if not `postgres`.
    pub(crate) database: Option<String>,
    /// Further settings: name and value. They replace those made here.
    pub(crate) settings: Vec<(String, String)>,
}

impl PgBouncerOptions {
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    pub(crate) fn tls(mut self, certificate: ServerCertificate) -> Self {
        self.tls = Some(certificate);
        self
    }

    pub(crate) fn database(mut self, name: &str) -> Self {
        self.database = Some(name.to_owned());
        self
    }

    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts one in front of a server. It asks clients for the password that
    /// the server asks for, if any and if not told otherwise.
    pub(crate) async fn start(self, server: &Postgres) -> PgBouncer {
        let folder = process::folder();
        let port = Port::reserve();
        let mut target = server.target();
        target.address = Address::Tcp {
            host: "localhost".into(),
            port: port.number(),
        };
        if let Some(password) = &self.password {
            target.password = Some(password.as_str().into());
        }
        if let Some(certificate) = &self.tls {
            certificate.write(folder.path());
        }
        configure(folder.path(), &port, server.port(), &target, &self);
        let process = launch(folder.path());
        let mut pooler = PgBouncer {
            process,
            port,
            target,
            folder,
        };
        pooler.wait_until_it_answers().await;
        pooler
    }
}

/// A running pooler; see [`super`].
#[derive(Debug)]
pub(crate) struct PgBouncer {
    process: Process,
    port: Port,
    target: PostgresTarget,
    folder: tempfile::TempDir,
}

super::suffers!(PgBouncer);

impl PgBouncer {
    pub(crate) async fn start(server: &Postgres) -> Self {
        PgBouncerOptions::default().start(server).await
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(&mut self) {
        self.process.stop(Signal::TERM).await;
    }

    /// Starts it again, killing it first if it runs.
    pub(crate) async fn restart_same_port(&mut self) {
        self.process.kill().await;
        // It does not start where it believes to run.
        let _ = std::fs::remove_file(self.folder.path().join("pgbouncer.pid"));
        self.process = launch(self.folder.path());
        self.wait_until_it_answers().await;
    }

    pub(crate) fn url(&self) -> String {
        let password = match &self.target.password {
            Some(password) => format!(":{}", password.expose()),
            None => String::new(),
        };
        let port = self.port();
        format!("postgres://postgres{password}@localhost:{port}/postgres?pgbouncer=true")
    }

    pub(crate) fn target(&self) -> PostgresTarget {
        self.target.clone()
    }

    /// Its own console answers whether or not the server behind it does. Only
    /// its own user is asked for no password there.
    async fn wait_until_it_answers(&mut self) {
        let folder = self.folder.path().to_owned();
        let port = self.port();
        let password = self.target.password.is_some();
        self.process
            .wait_until_it_answers(async || {
                let console = postgres::execute(&folder, port, "pgbouncer", "SHOW VERSION");
                match console.await {
                    Ok(()) => true,
                    // It asks for the password: it answers.
                    Err(_) if password => tokio::net::TcpStream::connect(("127.0.0.1", port))
                        .await
                        .is_ok(),
                    Err(_) => false,
                }
            })
            .await;
    }
}

fn configure(
    folder: &Path,
    port: &Port,
    server: u16,
    target: &PostgresTarget,
    options: &PgBouncerOptions,
) {
    let password = target.password.as_ref().map(Secret::expose);
    let auth_type = if password.is_some() {
        "scram-sha-256"
    } else {
        "any"
    };
    // Without passwords every client becomes the server's own user.
    let forced = if password.is_some() {
        ""
    } else {
        " user=postgres"
    };
    let users = format!("\"postgres\" \"{}\"\n", password.unwrap_or_default());
    let here = folder.display();
    let port = port.number();
    let database = options.database.as_deref().unwrap_or("postgres");
    let mut settings = format!(
        "[databases]\n\
         {database} = host=127.0.0.1 port={server} dbname=postgres{forced}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir = {here}\n\
         pidfile = {here}/pgbouncer.pid\n\
         auth_type = {auth_type}\n\
         auth_file = {here}/users.txt\n\
         admin_users = postgres\n\
         pool_mode = transaction\n\
         default_pool_size = 2\n\
         server_login_retry = 1\n"
    );
    if options.tls.is_some() {
        // Asked for by some, as libpq's `prefer`: its console is local.
        settings.extend([
            "client_tls_sslmode = allow\n".to_owned(),
            format!("client_tls_cert_file = {here}/server.crt\n"),
            format!("client_tls_key_file = {here}/server.key\n"),
        ]);
    }
    let more = options.settings.iter();
    settings.extend(more.map(|(name, value)| format!("{name} = {value}\n")));
    for (name, content) in [("users.txt", users), ("pgbouncer.ini", settings)] {
        let path = folder.join(name);
        std::fs::write(&path, content).expect("the folder is writable");
        process::give_away(&path);
    }
}

fn launch(folder: &Path) -> Process {
    let program = process::find("pgbouncer", "pgbouncer");
    let settings = folder.join("pgbouncer.ini").display().to_string();
    Process::start("pgbouncer", &program, folder, &[settings])
}
