//! Where the dependency of a row is, and how a fault strikes it there.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::axes::{Dependency, Fault};
use super::bounds;
use super::servers::{PASSWORD, Servers, Stand, stands};
use crate::support::{FaultProxy, Mode, Port};

mod hosts;
mod program;

use hosts::{Hosts, NAME};
use program::{Blow, Program};

/// An address that the daemon is given, and what is behind it.
pub(super) struct Site {
    url: String,
    cause: Cause,
}

/// What a fault takes hold of.
enum Cause {
    /// The line to a server that is well.
    Line { proxy: FaultProxy, mode: Mode },
    /// The server at its other end.
    Server {
        proxy: FaultProxy,
        before: u16,
        under: u16,
    },
    /// The program.
    Program { program: Box<Program>, blow: Blow },
    /// What the resolver says.
    Name {
        proxy: FaultProxy,
        /// It drops what comes to the other address.
        _dead: FaultProxy,
        hosts: Hosts,
        before: [&'static str; 2],
        under: [&'static str; 2],
    },
    Flapping {
        proxy: Arc<FaultProxy>,
        task: JoinSet<()>,
    },
}

/// The resolver sorts the first before the second, so the daemon tries it first.
const DEAD: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ALIVE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

impl Site {
    /// Where a fault can strike, and where all is well so far.
    pub(super) async fn new(servers: &Servers, dependency: Dependency, fault: Fault) -> Self {
        let (before, under) = stands(fault);
        let port = |stand| servers.port(dependency, stand);
        let (host, number, cause) = match fault {
            Fault::Frozen | Fault::Killed | Fault::Stopped => {
                let program = Box::new(Program::start(servers, dependency).await);
                let blow = match fault {
                    Fault::Frozen => Blow::Freeze,
                    Fault::Killed => Blow::Kill,
                    _ => Blow::Stop,
                };
                (
                    "localhost",
                    program.port(),
                    Cause::Program { program, blow },
                )
            }
            Fault::Unresolved | Fault::OneAddressDead => {
                let (number, cause) = named(port(before), fault).await;
                (NAME, number, cause)
            }
            Fault::Flapping => {
                let proxy = Arc::new(FaultProxy::in_front_of(port(before)).await);
                let task = JoinSet::new();
                ("localhost", proxy.port(), Cause::Flapping { proxy, task })
            }
            _ => {
                let proxy = FaultProxy::in_front_of(port(before)).await;
                let number = proxy.port();
                let cause = match mode(fault) {
                    Some(mode) => Cause::Line { proxy, mode },
                    None => Cause::Server {
                        proxy,
                        before: port(before),
                        under: port(under),
                    },
                };
                ("localhost", number, cause)
            }
        };
        let url = url(dependency, fault, host, number, servers.root());
        Self { url, cause }
    }

    /// Where the same server is, before the fault, and nothing ever happens.
    pub(super) async fn unharmed(servers: &Servers, dependency: Dependency, fault: Fault) -> Self {
        let (before, _) = stands(fault);
        let number = servers.port(dependency, before);
        let proxy = FaultProxy::in_front_of(number).await;
        Self {
            url: url(dependency, fault, "localhost", proxy.port(), servers.root()),
            cause: Cause::Line {
                proxy,
                mode: Mode::Pass,
            },
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The hosts file that the daemon has to see.
    pub(super) fn hosts(&self) -> Option<&Path> {
        match &self.cause {
            Cause::Name { hosts, .. } => Some(&hosts.path),
            _ => None,
        }
    }

    /// What the server wrote, where it is the row's own.
    pub(super) fn log(&self) -> String {
        match &self.cause {
            Cause::Program { program, .. } => program.log(),
            _ => String::new(),
        }
    }

    /// The fault begins. It is the same for open sessions as for new ones.
    pub(super) async fn strike(&mut self) {
        match &mut self.cause {
            Cause::Line { proxy, mode } => {
                proxy.set(*mode).await;
                if *mode == Mode::Refuse {
                    proxy.cut();
                }
            }
            Cause::Server { proxy, under, .. } => {
                proxy.lead_to(*under);
                proxy.cut();
            }
            Cause::Program { program, blow } => program.suffer(*blow).await,
            Cause::Name {
                proxy,
                hosts,
                under,
                ..
            } => {
                hosts.say(*under);
                proxy.cut();
            }
            Cause::Flapping { proxy, task } => {
                let proxy = proxy.clone();
                task.spawn(async move {
                    loop {
                        for mode in [Mode::Refuse, Mode::Pass] {
                            proxy.set(mode).await;
                            proxy.cut();
                            tokio::time::sleep(bounds::FLAP).await;
                        }
                    }
                });
            }
        }
    }

    /// The fault ends.
    pub(super) async fn heal(&mut self) {
        match &mut self.cause {
            Cause::Line { proxy, .. } => {
                proxy.set(Mode::Pass).await;
                proxy.cut();
            }
            Cause::Server { proxy, before, .. } => {
                proxy.lead_to(*before);
                proxy.cut();
            }
            Cause::Program { program, blow } => program.recover(*blow).await,
            Cause::Name {
                proxy,
                hosts,
                before,
                ..
            } => {
                hosts.say(*before);
                proxy.cut();
            }
            Cause::Flapping { proxy, task } => {
                task.shutdown().await;
                proxy.set(Mode::Pass).await;
            }
        }
    }
}

/// How a fault of the line is made.
fn mode(fault: Fault) -> Option<Mode> {
    Some(match fault {
        Fault::Refused => Mode::Refuse,
        Fault::Dropped => Mode::Drop,
        Fault::Mute => Mode::Stall,
        Fault::Late => Mode::Delay(bounds::TIMEOUT * 2),
        Fault::Trickle => Mode::Trickle(std::time::Duration::from_secs(1)),
        Fault::Garbage => Mode::Garble,
        Fault::Cut => Mode::CutShort,
        _ => return None,
    })
}

fn url(dependency: Dependency, fault: Fault, host: &str, port: u16, root: &Path) -> String {
    let (before, _) = stands(fault);
    let tls = before == Stand::Tls;
    let password = match before {
        Stand::Password => format!(":{PASSWORD}"),
        _ => String::new(),
    };
    match dependency {
        Dependency::Postgres | Dependency::Pooled => {
            let verified = if tls {
                format!("?sslmode=verify-full&sslrootcert={}", root.display())
            } else {
                String::new()
            };
            format!("postgres://postgres{password}@{host}:{port}/postgres{verified}")
        }
        Dependency::Redis => {
            let scheme = if tls { "rediss" } else { "redis" };
            let user = match password.as_str() {
                "" => String::new(),
                password => format!("{password}@"),
            };
            // The one number that a server of fewer databases does not have.
            let number = u8::from(fault == Fault::UnknownDatabase) * 5;
            format!("{scheme}://{user}{host}:{port}/{number}")
        }
        Dependency::Http => {
            let scheme = if tls { "https" } else { "http" };
            format!("{scheme}://{host}:{port}/auth/v1/health")
        }
        Dependency::Tcp => format!("tcp://{host}:{port}"),
    }
}

async fn named(server: u16, fault: Fault) -> (u16, Cause) {
    let port = Arc::new(Port::reserve());
    let number = port.number();
    let dead = FaultProxy::at(DEAD, port.clone(), server).await;
    dead.set(Mode::Drop).await;
    let proxy = FaultProxy::at(ALIVE, port, server).await;
    let before = ["127.0.0.2", "127.0.0.2"];
    let under = match fault {
        Fault::OneAddressDead => ["127.0.0.1", "127.0.0.2"],
        _ => ["", ""],
    };
    let hosts = Hosts::new(before);
    let cause = Cause::Name {
        proxy,
        _dead: dead,
        hosts,
        before,
        under,
    };
    (number, cause)
}
