//! A private web server with a few pages that never change.

use std::fmt::Write;

use rustix::process::Signal;

use super::process::{self, Process};
use super::{Port, ServerCertificate};

/// What one of its ports answers, whatever the path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    pub(crate) code: u16,
    /// Speak TLS on the port, with this.
    pub(crate) tls: Option<ServerCertificate>,
}

impl Page {
    pub(crate) fn code(code: u16) -> Self {
        Self { code, tls: None }
    }
}

/// A running nginx with a port for each page; see [`super`].
#[derive(Debug)]
pub(crate) struct Website {
    process: Process,
    ports: Vec<Port>,
    folder: tempfile::TempDir,
}

impl Website {
    pub(crate) async fn start(pages: &[Page]) -> Self {
        let folder = process::folder();
        let ports: Vec<Port> = pages.iter().map(|_| Port::reserve()).collect();
        configure(folder.path(), pages, &ports);
        let process = launch(folder.path());
        let mut site = Self {
            process,
            ports,
            folder,
        };
        site.wait_until_it_answers().await;
        site
    }

    /// The port of a page, in the order of their names.
    pub(crate) fn port(&self, page: usize) -> u16 {
        self.ports[page].number()
    }

    /// Kills everything of it with SIGKILL and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(&mut self) {
        self.process.stop(Signal::TERM).await;
    }

    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }

    pub(crate) fn thaw(&self) {
        self.process.thaw();
    }

    /// Starts it again, killing it first if it runs.
    pub(crate) async fn restart_same_port(&mut self) {
        self.process.kill().await;
        self.process = launch(self.folder.path());
        self.wait_until_it_answers().await;
    }

    async fn wait_until_it_answers(&mut self) {
        let port = self.port(0);
        self.process
            .wait_until_it_answers(async || {
                tokio::net::TcpStream::connect(("127.0.0.1", port))
                    .await
                    .is_ok()
            })
            .await;
    }
}

fn configure(folder: &std::path::Path, pages: &[Page], ports: &[Port]) {
    let here = folder.display();
    let mut servers = String::new();
    for (number, (page, port)) in pages.iter().zip(ports).enumerate() {
        let (port, code) = (port.number(), page.code);
        let mut encryption = String::new();
        let mut how = "";
        if let Some(certificate) = &page.tls {
            let own = folder.join(number.to_string());
            std::fs::create_dir(&own).expect("the folder is writable");
            process::give_away(&own);
            certificate.write(&own);
            let own = own.display();
            how = " ssl";
            encryption =
                format!("ssl_certificate {own}/server.crt; ssl_certificate_key {own}/server.key;");
        }
        writeln!(
            servers,
            "server {{ listen 127.0.0.1:{port}{how}; {encryption} return {code}; }}"
        )
        .expect("a text takes everything");
    }
    let settings = format!(
        "worker_processes 1; daemon off; error_log stderr; pid {here}/nginx.pid;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\n\
         access_log off; client_body_temp_path {here}/b; proxy_temp_path {here}/p;\n\
         fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n\
         {servers}\
         }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), settings).expect("the folder is writable");
}

fn launch(folder: &std::path::Path) -> Process {
    let inside = |name: &str| folder.join(name).display().to_string();
    let prefix = folder.display().to_string();
    let settings = inside("nginx.conf");
    let arguments = ["-e", "stderr", "-p", &prefix, "-c", &settings].map(ToOwned::to_owned);
    let program = process::find("nginx", "nginx-light");
    Process::start("nginx", &program, folder, &arguments)
}
