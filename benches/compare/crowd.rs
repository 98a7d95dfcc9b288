//! Many dependencies: a server that accepts whatever comes, notes when, and
//! says nothing.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clients::ready_says;
use crate::support::{Daemon, DaemonOptions, Port};

/// Each has ports of its own for those who connect to it.
const ADDRESSES: usize = 20;

/// It runs on a thread of its own, so that it is not this program that is late.
#[derive(Debug)]
pub(crate) struct Crowd {
    port: Port,
    arrivals: Arc<Mutex<Vec<Instant>>>,
    stop: CancellationToken,
}

impl Crowd {
    pub(crate) fn start() -> Self {
        let port = Port::reserve();
        let arrivals = Arc::<Mutex<Vec<_>>>::default();
        let stop = CancellationToken::new();
        let listener = listener(port.number());
        let (noted, stopped) = (arrivals.clone(), stop.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the system provides a runtime");
            runtime.block_on(stopped.run_until_cancelled(accept(listener, &noted)));
        });
        Self {
            port,
            arrivals,
            stop,
        }
    }

    /// Addresses of so many dependencies.
    pub(crate) fn addresses(&self, count: usize) -> impl Iterator<Item = String> {
        let port = self.port.number();
        (0..count).map(move |number| format!("127.0.0.{}:{port}", 1 + number % ADDRESSES))
    }

    /// As budgetd is told of them.
    pub(crate) fn watched(&self, options: DaemonOptions, count: usize) -> DaemonOptions {
        let urls = self
            .addresses(count)
            .map(|address| format!("tcp://{address}"));
        many(options, "tcp", urls)
    }

    /// When connections came since the last time.
    pub(crate) fn take_arrivals(&self) -> Vec<Instant> {
        std::mem::take(&mut self.arrivals.lock().expect("nobody panicked"))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Optional dependencies of one kind, checked every second.
pub(crate) fn many(
    options: DaemonOptions,
    kind: &str,
    urls: impl Iterator<Item = String>,
) -> DaemonOptions {
    let mut config = String::from("[checks]\ninterval = \"1s\"\n");
    for (number, url) in urls.enumerate() {
        let _ = writeln!(
            config,
            "[dependencies.d{number}]\nkind = \"{kind}\"\nurl = \"{url}\"\npolicy = \"optional\""
        );
    }
    options.config(&config)
}

/// A daemon all of whose dependencies are up. Of thousands it is not asked
/// often: that would take the time in which they are looked at.
pub(crate) async fn all_up(options: DaemonOptions) -> Daemon {
    let daemon = options.serve().await;
    let pause = Duration::from_millis(100);
    ready_says(&daemon, pause, |document| document["status"] == "ok").await;
    daemon
}

/// Everyone may come at the same time.
fn listener(port: u16) -> std::net::TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets left");
    let address = SocketAddr::from(([0, 0, 0, 0], port));
    socket.set_reuse_address(true).expect("it is a socket");
    socket.bind(&address.into()).expect("the port is ours");
    socket.listen(16_384).expect("the port is ours");
    socket.set_nonblocking(true).expect("it is a socket");
    socket.into()
}

async fn accept(listener: std::net::TcpListener, arrivals: &Mutex<Vec<Instant>>) {
    let listener = TcpListener::from_std(listener).expect("it does not block");
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        arrivals
            .lock()
            .expect("nobody panicked")
            .push(Instant::now());
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0; 16]).await;
        });
    }
}
