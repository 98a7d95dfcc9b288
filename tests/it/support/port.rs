//! Port numbers that nobody else takes.

use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::atomic::{AtomicU32, Ordering};

use socket2::{Domain, Socket, Type};

/// Below Linux's ephemeral ports, so that no outgoing connection and no bind
/// to port 0 takes one while its server is down.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

/// A port of the loopback address. While this lives it is given to no one
/// else, in this process or another that runs this harness: who holds the
/// abstract socket of its name holds the port, and the kernel lets go of it
/// whatever happens to the process.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _reservation: UnixListener,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Processes begin in different places, to meet rarely.
        let start = std::process::id().wrapping_mul(7_919);
        for _ in 0..COUNT {
            let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
            let number = u16::try_from(FIRST + offset).expect("the range is one of ports");
            let name = SocketAddr::from_abstract_name(format!("budgetd-test-port-{number}"))
                .expect("the name is short");
            let Ok(reservation) = UnixListener::bind_addr(&name) else {
                continue;
            };
            if is_free(number) {
                return Self {
                    number,
                    _reservation: reservation,
                };
            }
        }
        panic!(
            "cannot find a free port between {FIRST} and {}",
            FIRST + COUNT
        );
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// Looks without listening: a process that another thread starts meanwhile
/// holds a copy of the socket until it has become its program, and only a
/// listening one is in the way of whoever the port is for.
fn is_free(port: u16) -> bool {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets left");
    let address = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let reused = socket.set_reuse_address(true);
    reused.and_then(|()| socket.bind(&address.into())).is_ok()
}
