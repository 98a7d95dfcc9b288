//! A TCP proxy that breaks what passes through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
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
    /// The same, and each byte comes this long after the one before.
    Trickle(Duration),
    /// What asks for a connection is dropped, so that nobody learns anything;
    /// in open ones nothing passes.
    Drop,
    /// The server's first answer of more than a byte is cut in its middle, and
    /// the connection ends.
    CutShort,
}

impl Mode {
    /// Whether open connections stand still.
    fn is_silent(self) -> bool {
        matches!(self, Self::Stall | Self::Drop)
    }
}

/// A proxy in front of a server on the loopback address.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    port: u16,
    server: watch::Sender<u16>,
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
        Self::at(Ipv4Addr::LOCALHOST, Arc::new(Port::reserve()), server).await
    }

    /// The same on any address of the loopback network; two of them may share a
    /// port.
    pub(crate) async fn at(host: Ipv4Addr, port: Arc<Port>, server: u16) -> Self {
        let (server, servers) = watch::channel(server);
        let number = port.number();
        let (mode, modes) = watch::channel(Mode::Refuse);
        let (apply, applied) = watch::channel(Mode::Refuse);
        let (cuts, cut) = watch::channel(0);
        let counters = Arc::<Counters>::default();
        let mut tasks = JoinSet::new();
        let lane = Lane {
            servers,
            modes,
            cut,
            counters: counters.clone(),
        };
        tasks.spawn(listen(host, port, lane, apply));
        let proxy = Self {
            port: number,
            server,
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

    /// Leads new connections to another server.
    pub(crate) fn lead_to(&self, server: u16) {
        self.server.send_replace(server);
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
    servers: watch::Receiver<u16>,
    modes: watch::Receiver<Mode>,
    cut: watch::Receiver<u64>,
    counters: Arc<Counters>,
}

/// What the port does with whoever asks for a connection.
enum Door {
    /// The kernel refuses.
    Shut,
    Open(TcpListener),
    /// The kernel drops what does not fit into a queue that nobody empties.
    Blocked(#[expect(dead_code, reason = "it is held")] [Socket; 2]),
}

async fn listen(host: Ipv4Addr, port: Arc<Port>, lane: Lane, apply: watch::Sender<Mode>) {
    let address = SocketAddr::from((host, port.number()));
    let mut connections = JoinSet::new();
    let mut modes = lane.modes.clone();
    let mut door = Door::Shut;
    loop {
        let mode = *modes.borrow_and_update();
        door = match (mode, door) {
            (Mode::Refuse, _) => Door::Shut,
            (Mode::Drop, door @ Door::Blocked(_)) => door,
            (Mode::Drop, door) => {
                drop(door);
                Door::Blocked(within("the port is ours", block(address)).await)
            }
            (_, door @ Door::Open(_)) => door,
            (_, door) => {
                drop(door);
                Door::Open(within("the port is ours", bind(address)).await)
            }
        };
        apply.send_replace(mode);
        let accepted = async {
            match &door {
                Door::Open(listener) => listener.accept().await,
                Door::Shut | Door::Blocked(_) => std::future::pending().await,
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
async fn bind(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// A listener whose queue has room for one connection, and the one that fills
/// it: the kernel drops every further attempt without a word, as a firewall
/// would.
async fn block(address: SocketAddr) -> [Socket; 2] {
    loop {
        match try_block(address) {
            Ok(blocked) => return blocked,
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

fn try_block(address: SocketAddr) -> std::io::Result<[Socket; 2]> {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None);
    let (listener, filler) = (socket()?, socket()?);
    listener.set_reuse_address(true)?;
    listener.bind(&address.into())?;
    listener.listen(0)?;
    filler.connect_timeout(&address.into(), Duration::from_secs(1))?;
    Ok([listener, filler])
}

async fn carry(client: TcpStream, mut lane: Lane) {
    let server = *lane.servers.borrow();
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else {
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
    from_server: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        let Ok(mode) = modes.wait_for(|mode| !mode.is_silent()).await.map(|m| *m) else {
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
            Mode::Garble if from_server => {
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
            Mode::Trickle(pause) => {
                let mut written = Ok(());
                for byte in &*bytes {
                    written = written.and(to.write_all(&[*byte]).await);
                    tokio::time::sleep(pause).await;
                }
                written
            }
            Mode::CutShort if from_server && count > 1 => {
                let _ = to.write_all(&bytes[..count / 2]).await;
                return;
            }
            _ => to.write_all(bytes).await,
        };
        if written.is_err() {
            return;
        }
    }
}
