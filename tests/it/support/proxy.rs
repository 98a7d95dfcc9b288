//! A TCP proxy that breaks what passes through it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Port, within};

/// What happens to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// New connections are refused; open ones go on.
    Refuse,
    /// Connections are accepted, and nothing passes in either direction: not
    /// the end of a connection either.
    Stall,
    /// Everything comes this much later.
    Delay(Duration),
    /// What the server says arrives with every bit flipped.
    Garble,
    /// Everything passes one byte at a time.
    OneByte,
}

/// A proxy in front of a server on the loopback address.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    port: u16,
    mode: watch::Sender<Mode>,
    /// The last mode that the listener follows.
    applied: watch::Receiver<Mode>,
    /// Counts the cuts.
    cuts: watch::Sender<u64>,
    counters: Arc<Counters>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicUsize,
    open: AtomicUsize,
}

impl FaultProxy {
    /// Starts one, in mode [`Mode::Pass`].
    pub(crate) async fn in_front_of(server: u16) -> Self {
        let port = Port::reserve();
        let number = port.number();
        let (mode, modes) = watch::channel(Mode::Refuse);
        let (apply, applied) = watch::channel(Mode::Refuse);
        let (cuts, cut) = watch::channel(0);
        let counters = Arc::<Counters>::default();
        let mut tasks = JoinSet::new();
        let lane = Lane {
            server,
            modes,
            cut,
            counters: counters.clone(),
        };
        tasks.spawn(listen(port, lane, apply));
        let proxy = Self {
            port: number,
            mode,
            applied,
            cuts,
            counters,
            _tasks: tasks,
        };
        proxy.set(Mode::Pass).await;
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Changes the mode, for open connections too, and waits until it holds.
    pub(crate) async fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
        let mut applied = self.applied.clone();
        within(
            "the proxy changes its mode",
            applied.wait_for(|now| *now == mode),
        )
        .await
        .expect("the proxy runs");
    }

    /// Closes all open connections.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Connections that were accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.counters.accepted.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.counters.open.load(Ordering::SeqCst)
    }
}

/// What every connection needs.
#[derive(Debug, Clone)]
struct Lane {
    server: u16,
    modes: watch::Receiver<Mode>,
    cut: watch::Receiver<u64>,
    counters: Arc<Counters>,
}

async fn listen(port: Port, lane: Lane, apply: watch::Sender<Mode>) {
    let mut connections = JoinSet::new();
    let mut modes = lane.modes.clone();
    let mut listener: Option<TcpListener> = None;
    loop {
        let mode = *modes.borrow_and_update();
        if mode == Mode::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = Some(within("the port is ours", bind(&port)).await);
        }
        apply.send_replace(mode);
        let accepted = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepted => if let Ok((client, _)) = accepted {
                lane.counters.accepted.fetch_add(1, Ordering::SeqCst);
                lane.counters.open.fetch_add(1, Ordering::SeqCst);
                let mut lane = lane.clone();
                // Cuts from now on count, also those that come before the task
                // has begun.
                lane.cut.mark_unchanged();
                connections.spawn(async move {
                    let counters = lane.counters.clone();
                    carry(client, lane).await;
                    counters.open.fetch_sub(1, Ordering::SeqCst);
                });
            },
            changed = modes.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A process that another thread is just starting may hold a copy of the last
/// listener for a moment.
async fn bind(port: &Port) -> TcpListener {
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port.number())).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

async fn carry(client: TcpStream, mut lane: Lane) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, lane.server)).await else {
        return;
    };
    for stream in [&client, &server] {
        // A byte at a time is a packet at a time.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let both = async {
        tokio::join!(
            pump(from_client, to_server, lane.modes.clone(), false),
            pump(from_server, to_client, lane.modes.clone(), true),
        )
    };
    tokio::select! {
        _ = both => {}
        _ = lane.cut.changed() => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut modes: watch::Receiver<Mode>,
    garbles: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let Ok(mode) = modes
            .wait_for(|mode| *mode != Mode::Stall)
            .await
            .map(|m| *m)
        else {
            return;
        };
        let bytes = &mut buffer[..count];
        let written = match mode {
            _ if bytes.is_empty() => {
                let _ = to.shutdown().await;
                return;
            }
            Mode::Delay(delay) => {
                tokio::time::sleep(delay).await;
                to.write_all(bytes).await
            }
            Mode::Garble if garbles => {
                for byte in &mut *bytes {
                    *byte = !*byte;
                }
                to.write_all(bytes).await
            }
            Mode::OneByte => {
                let mut written = Ok(());
                for byte in &*bytes {
                    written = written.and(to.write_all(&[*byte]).await);
                    // The reader shall see it alone.
                    tokio::task::yield_now().await;
                }
                written
            }
            _ => to.write_all(bytes).await,
        };
        if written.is_err() {
            return;
        }
    }
}
