//! Private load balancers with the configuration files that are shipped:
//! nothing in them is changed but their ports.

use super::process::{self, Process};
use super::shipped::{shipped, write};
use super::{Daemon, Port, client, wait};

/// What the tests ask of any balancer.
pub(crate) trait Balancer: Sized {
    async fn in_front_of(instances: [&Daemon; 2]) -> Self;

    /// Where clients connect.
    fn port(&self) -> u16;

    /// Waits until the balancer knows which instances are ready.
    async fn until_ready(&self, ready: [bool; 2]);

    fn log(&self) -> String;
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// A running `HAProxy`.
#[derive(Debug)]
pub(crate) struct Haproxy {
    process: Process,
    port: Port,
    statistics: Port,
    _folder: tempfile::TempDir,
}

impl Balancer for Haproxy {
    async fn in_front_of([first, second]: [&Daemon; 2]) -> Self {
        let (port, statistics) = (Port::reserve(), Port::reserve());
        let shipped = shipped(
            "haproxy.cfg",
            &[
                ("bind :80\n", format!("bind :{}\n", port.number())),
                ("127.0.0.1:8404", address(statistics.number())),
                ("127.0.0.1:8001", address(first.api())),
                ("127.0.0.1:8002", address(second.api())),
            ],
        );
        let folder = process::folder();
        // What the machine's own file would say.
        let machine = write(folder.path(), "haproxy.cfg", "global\n    maxconn 1000\n");
        let shipped = write(folder.path(), "budgetd.cfg", &shipped);
        let arguments = ["-db", "-f", &machine, "-f", &shipped].map(ToOwned::to_owned);
        let program = process::find("haproxy", "haproxy");
        let mut haproxy = Self {
            process: Process::start("haproxy", &program, folder.path(), &arguments),
            port,
            statistics,
            _folder: folder,
        };
        let asked = haproxy.port();
        haproxy
            .process
            .wait_until_it_answers(async || client::get(asked, "/health").await.is_ok())
            .await;
        haproxy
    }

    fn port(&self) -> u16 {
        self.port.number()
    }

    async fn until_ready(&self, ready: [bool; 2]) {
        let what = format!("HAProxy knows that {ready:?} are ready");
        wait::until(what, wait::PATIENCE, async || {
            (self.is_up("first").await == ready[0] && self.is_up("second").await == ready[1])
                .then_some(())
        })
        .await;
    }

    fn log(&self) -> String {
        self.process.log()
    }
}

impl Haproxy {
    pub(crate) fn statistics_port(&self) -> u16 {
        self.statistics.number()
    }

    /// How often a request had to be sent again, to the same instance or another.
    pub(crate) async fn retries(&self) -> u64 {
        let mut sum = 0;
        for column in ["wretr", "wredis"] {
            let count = self.statistic("BACKEND", column).await;
            sum += count.parse::<u64>().expect("it is a number");
        }
        sum
    }

    async fn is_up(&self, server: &str) -> bool {
        // On its way to the other state it is for example `UP 1/2`, which still
        // is up.
        self.statistic(server, "status").await.starts_with("UP")
    }

    /// What the table of statistics says of a server, or of all.
    async fn statistic(&self, server: &str, column: &str) -> String {
        let statistics = client::get(self.statistics_port(), "/stats;csv").await;
        let statistics = statistics.expect("HAProxy tells its state").body;
        let begin = format!("budgetd,{server},");
        let mut rows = statistics.lines();
        let head = rows.next().unwrap_or_default();
        let place = head.split(',').position(|name| name == column);
        let row = rows.find(|row| row.starts_with(&begin));
        let value = row.and_then(|row| row.split(',').nth(place?));
        value.expect("HAProxy knows the server").to_owned()
    }
}

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Process,
    port: Port,
    instances: [u16; 2],
    folder: tempfile::TempDir,
}

impl Balancer for Nginx {
    async fn in_front_of(instances: [&Daemon; 2]) -> Self {
        let port = Port::reserve();
        let instances = instances.map(Daemon::api);
        let shipped = shipped(
            "nginx.conf",
            &[
                ("listen 80;", format!("listen {};", port.number())),
                ("127.0.0.1:8001", address(instances[0])),
                ("127.0.0.1:8002", address(instances[1])),
            ],
        );
        let folder = process::folder();
        let inside = |name: &str| folder.path().join(name).display().to_string();
        let shipped = write(folder.path(), "budgetd.conf", &shipped);
        // What the machine's own file would say.
        let machine = format!(
            "worker_processes 2; daemon off; error_log stderr; pid {pid};\n\
             events {{ worker_connections 512; }}\n\
             http {{\n\
             access_log off; client_body_temp_path {t}/b; proxy_temp_path {t}/p;\n\
             fastcgi_temp_path {t}/f; uwsgi_temp_path {t}/u; scgi_temp_path {t}/s;\n\
             include {shipped};\n\
             }}\n",
            pid = inside("nginx.pid"),
            t = folder.path().display(),
        );
        let machine = write(folder.path(), "nginx.conf", &machine);
        let prefix = folder.path().display().to_string();
        let arguments = ["-e", "stderr", "-p", &prefix, "-c", &machine].map(ToOwned::to_owned);
        let program = process::find("nginx", "nginx-light");
        let mut nginx = Self {
            process: Process::start("nginx", &program, folder.path(), &arguments),
            port,
            instances,
            folder,
        };
        let asked = nginx.port();
        nginx
            .process
            .wait_until_it_answers(async || client::get(asked, "/health").await.is_ok())
            .await;
        nginx
    }

    fn port(&self) -> u16 {
        self.port.number()
    }

    /// nginx knows nothing beforehand, so this is what an operator can see:
    /// whether the instances are.
    async fn until_ready(&self, ready: [bool; 2]) {
        for (port, ready) in self.instances.into_iter().zip(ready) {
            let what = format!("readiness at {port} is {ready}");
            wait::until(what, wait::PATIENCE, async || {
                let answer = client::get(port, "/health/ready").await;
                (answer.is_ok_and(|answer| answer.code == 200) == ready).then_some(())
            })
            .await;
        }
    }

    fn log(&self) -> String {
        self.process.log()
    }
}
