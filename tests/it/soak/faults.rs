//! What may happen, and how it is made to.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt};
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::rig::{Rig, Truth};
use crate::support::{Answer, FaultProxy, Mode};

/// What to do to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// The server is killed, and started again.
    Kill(Server),
    /// The server is stopped as an operator would, and started again.
    Restart(Server),
    /// The server stands still.
    Freeze(Server),
    /// The server closes the connections that it has.
    Disconnect(Server),
    /// The network closes the connections that it has.
    Cut(Way),
    /// The network lets nobody through, and tells them.
    Refuse(Way),
    /// The network lets nobody through, and does not tell.
    Stall(Way),
    /// The network is slow, within all deadlines.
    Delay(Way),
    /// The auth API answers 500.
    Answer500,
    /// SIGHUP, with another configuration.
    Reload,
    /// SIGHUP, with a configuration that is none.
    BadReload,
    /// SIGUSR1.
    CheckNow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    Postgres,
    Redis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Database,
    Cache,
    Auth,
}

impl Fault {
    /// One that is always noticed, if it lasts.
    pub(super) const NOTICED: Self = Self::Refuse(Way::Database);

    /// Whether the database cannot be used while it lasts.
    fn takes_the_database(self) -> bool {
        matches!(
            self,
            Self::Kill(Server::Postgres)
                | Self::Restart(Server::Postgres)
                | Self::Freeze(Server::Postgres)
                | Self::Refuse(Way::Database)
                | Self::Stall(Way::Database)
        )
    }
}

pub(super) fn next(chance: &mut SmallRng) -> Fault {
    let server = if chance.random_bool(0.6) {
        Server::Postgres
    } else {
        Server::Redis
    };
    let way = match chance.random_range(0..5) {
        0 | 1 => Way::Database,
        2 | 3 => Way::Cache,
        _ => Way::Auth,
    };
    match chance.random_range(0..12) {
        0 => Fault::Kill(server),
        1 => Fault::Restart(server),
        2 => Fault::Freeze(server),
        3 => Fault::Disconnect(server),
        4 => Fault::Cut(way),
        5 => Fault::Refuse(way),
        6 => Fault::Stall(way),
        7 => Fault::Delay(way),
        8 => Fault::Answer500,
        9 => Fault::Reload,
        10 => Fault::BadReload,
        _ => Fault::CheckNow,
    }
}

/// For so long a fault lasts.
pub(super) fn lasting(chance: &mut SmallRng) -> Duration {
    between(chance, 50, 4_000)
}

/// Makes it happen, ends it, and waits until all is well; how long that took
/// from the end of it. A pause of chance follows.
pub(super) async fn suffer(
    rig: &mut Rig,
    fault: Fault,
    lasting: Duration,
    chance: &mut SmallRng,
) -> Duration {
    // Nothing else that may happen is a reason not to be ready.
    let takes_the_database = fault.takes_the_database();
    if takes_the_database {
        rig.truth.is(Truth::Open);
    }
    begin(rig, fault, chance).await;
    if takes_the_database {
        rig.truth.is(Truth::Down(Instant::now()));
    }
    sleep(lasting).await;
    if takes_the_database {
        rig.truth.is(Truth::Open);
    }
    end(rig, fault).await;
    if takes_the_database {
        rig.truth.is(Truth::Up(Instant::now()));
    }
    let took = rig.until_ok().await;
    sleep(between(chance, 0, 1_500)).await;
    took
}

fn between(chance: &mut impl Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(chance.random_range(least..most))
}

fn way(rig: &Rig, way: Way) -> &FaultProxy {
    match way {
        Way::Database => &rig.ways.database,
        Way::Cache => &rig.ways.cache,
        Way::Auth => &rig.ways.auth,
    }
}

async fn begin(rig: &mut Rig, fault: Fault, chance: &mut SmallRng) {
    match fault {
        Fault::Kill(Server::Postgres) => rig.postgres.kill().await,
        Fault::Kill(Server::Redis) => rig.redis.kill().await,
        Fault::Restart(Server::Postgres) => rig.postgres.stop().await,
        Fault::Restart(Server::Redis) => rig.redis.stop().await,
        Fault::Freeze(Server::Postgres) => rig.postgres.freeze(),
        Fault::Freeze(Server::Redis) => rig.redis.freeze(),
        Fault::Disconnect(Server::Postgres) => {
            let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
            rig.postgres.execute(all).await;
        }
        Fault::Disconnect(Server::Redis) => {
            let all = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
            rig.redis.command(&all).await;
        }
        Fault::Cut(which) => way(rig, which).cut(),
        Fault::Refuse(which) => {
            way(rig, which).set(Mode::Refuse).await;
            way(rig, which).cut();
        }
        Fault::Stall(which) => way(rig, which).set(Mode::Stall).await,
        Fault::Delay(which) => {
            let delay = between(chance, 1, 30);
            way(rig, which).set(Mode::Delay(delay)).await;
        }
        Fault::Answer500 => rig.auth.set(Answer::Status(500)),
        Fault::Reload => {
            let config = rig.next_config();
            rig.daemon.rewrite_config(&config);
            rig.daemon.signal(Signal::HUP);
        }
        Fault::BadReload => {
            rig.daemon.rewrite_config("[checks]\ninterval = \"soon\"");
            rig.daemon.signal(Signal::HUP);
        }
        Fault::CheckNow => rig.daemon.signal(Signal::USR1),
    }
}

async fn end(rig: &mut Rig, fault: Fault) {
    match fault {
        Fault::Kill(Server::Postgres) | Fault::Restart(Server::Postgres) => {
            rig.postgres.restart_same_port().await;
        }
        Fault::Kill(Server::Redis) | Fault::Restart(Server::Redis) => {
            rig.redis.restart_same_port().await;
        }
        Fault::Freeze(Server::Postgres) => rig.postgres.thaw(),
        Fault::Freeze(Server::Redis) => rig.redis.thaw(),
        Fault::Refuse(which) | Fault::Stall(which) | Fault::Delay(which) => {
            way(rig, which).set(Mode::Pass).await;
        }
        Fault::Answer500 => rig.auth.set(Answer::keys()),
        Fault::Disconnect(_)
        | Fault::Cut(_)
        | Fault::Reload
        | Fault::BadReload
        | Fault::CheckNow => {}
    }
}
