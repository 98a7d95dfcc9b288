//! A private Redis server.

use std::path::{Path, PathBuf};

use budgetd::config::{Address, RedisTarget, Secret};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::process::{self, Process};
use super::{Port, ServerCertificate};

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct RedisOptions {
    pub(crate) password: Option<String>,
    /// Speak TLS on the port, with this.
    pub(crate) tls: Option<ServerCertificate>,
    /// Further settings as on the command line: name and value.
    pub(crate) settings: Vec<(String, String)>,
}

impl RedisOptions {
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    pub(crate) fn tls(mut self, certificate: ServerCertificate) -> Self {
        self.tls = Some(certificate);
        self
    }

    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn start(self) -> Redis {
        let folder = process::folder();
        if let Some(certificate) = &self.tls {
            certificate.write(folder.path());
        }
        let port = Port::reserve();
        let process = launch(&self, folder.path(), &port);
        let mut redis = Redis {
            process,
            port,
            options: self,
            folder,
        };
        redis.wait_until_it_answers().await;
        redis
    }
}

/// A running server; see [`super`].
#[derive(Debug)]
pub(crate) struct Redis {
    process: Process,
    port: Port,
    options: RedisOptions,
    folder: tempfile::TempDir,
}

super::suffers!(Redis);

impl Redis {
    pub(crate) async fn start() -> Self {
        RedisOptions::default().start().await
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(&mut self) {
        self.process.stop(Signal::TERM).await;
    }

    /// Starts it again, killing it first if it runs: the same port, folder and
    /// settings.
    pub(crate) async fn restart_same_port(&mut self) {
        self.process.kill().await;
        self.process = launch(&self.options, self.folder.path(), &self.port);
        self.wait_until_it_answers().await;
    }

    /// Changes the settings of the next start.
    pub(crate) fn options(&mut self) -> &mut RedisOptions {
        &mut self.options
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.options.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        let password = match &self.options.password {
            Some(password) => format!(":{password}@"),
            None => String::new(),
        };
        format!("{scheme}://{password}localhost:{}/0", self.port())
    }

    pub(crate) fn target(&self) -> RedisTarget {
        RedisTarget {
            address: Address::Tcp {
                host: "localhost".into(),
                port: self.port(),
            },
            tls: self.options.tls.is_some(),
            user: None,
            password: self.options.password.as_deref().map(Secret::from),
            database: 0,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Sends a command and returns the first bytes of the answer.
    pub(crate) async fn command(&self, words: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.expect("it runs");
        if let Some(password) = &self.options.password {
            ask(&mut stream, &["AUTH", password]).await;
        }
        ask(&mut stream, words).await
    }

    async fn wait_until_it_answers(&mut self) {
        let socket = self.socket();
        self.process
            .wait_until_it_answers(async || {
                let Ok(mut stream) = UnixStream::connect(&socket).await else {
                    return false;
                };
                // An error is an answer, too: it may want a password.
                !ask(&mut stream, &["PING"]).await.is_empty()
            })
            .await;
    }
}

async fn ask(stream: &mut UnixStream, words: &[&str]) -> String {
    let words: Vec<_> = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()))
        .collect();
    let command = format!("*{}\r\n{}", words.len(), words.concat());
    let mut answer = vec![0; 4096];
    let count = match stream.write_all(command.as_bytes()).await {
        Ok(()) => stream.read(&mut answer).await.unwrap_or_default(),
        Err(_) => 0,
    };
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

fn launch(options: &RedisOptions, folder: &Path, port: &Port) -> Process {
    let program = process::find("redis-server", "redis-server");
    let number = port.number().to_string();
    let inside = |name: &str| folder.join(name).display().to_string();
    let mut arguments = Vec::new();
    let mut set = |name: &str, value: &str| {
        arguments.extend([format!("--{name}"), value.to_owned()]);
    };
    set("bind", "127.0.0.1");
    set("unixsocket", &inside("redis.sock"));
    set("dir", &folder.display().to_string());
    set("save", "");
    set("daemonize", "no");
    if let Some(password) = &options.password {
        set("requirepass", password);
    }
    if options.tls.is_some() {
        set("port", "0");
        set("tls-port", &number);
        set("tls-cert-file", &inside("server.crt"));
        set("tls-key-file", &inside("server.key"));
        set("tls-ca-cert-file", &inside("root.crt"));
        set("tls-auth-clients", "no");
    } else {
        set("port", &number);
    }
    for (name, value) in &options.settings {
        set(name, value);
    }
    Process::start("redis-server", &program, folder, &arguments)
}
