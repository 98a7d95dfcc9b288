//! The accept loop of one listener: it owns every connection, seats new ones,
//! and ends them in order.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use rustix::io::Errno;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::admission::Seat;
use super::connection::{self, Deadlines};
use super::error;
use super::front::Front;
use super::roster::{Gone, Roster};
use super::service::ConnectionService;
use super::transport::Transport;

/// How long accepting pauses when the operating system has nothing left for
/// another connection, in which time some may end.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection of the reserve is there for one health request.
const RESERVE_DEADLINES: Deadlines = Deadlines {
    idle: Duration::from_secs(2),
    head: Duration::from_secs(2),
    write: Duration::from_secs(2),
};

/// The orders a listener obeys.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Take what waits to be accepted, accept no more, finish what is in
    /// flight.
    pub accepting: CancellationToken,
    /// End everything now.
    pub cut: CancellationToken,
}

/// How serving ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The requests that were in flight when everything was cut.
    pub cut: Vec<CutRequest>,
}

/// A request that did not get its (whole) response.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CutRequest {
    pub method: String,
    /// The pattern that matched.
    pub route: String,
}

mod acceptor;
mod admin_stream;

use acceptor::Acceptor;

/// Serves `listener` until both orders of `stop` have been obeyed, or nothing
/// is left after the first.
///
/// Dropping the future cuts everything.
pub async fn serve<A: Acceptor>(mut listener: A, front: Arc<Front>, stop: Stop) -> Outcome {
    let mut connections = Connections::new(front, stop.accepting.clone());
    let mut is_paused = false;
    let mut try_again = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = stop.accepting.cancelled() => break,
            () = stop.cut.cancelled() => break,
            Some(gone) = connections.roster.next_gone() => {
                connections.left(&gone);
                // What it held may be enough for another one.
                try_again = Instant::now();
            }
            accepted = accept(&mut listener, is_paused.then_some(try_again)) => match accepted {
                Ok((stream, peer)) => {
                    if std::mem::take(&mut is_paused) {
                        tracing::info!(event = "accept_resumed", "Accepting connections again");
                    }
                    connections.seat(stream, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !is_paused {
                        tracing::warn!(
                            event = "accept_paused",
                            error = %error,
                            connections = connections.roster.len(),
                            hint = "raise LimitNOFILE= (`ulimit -n`) or lower `api.max_connections`",
                            "Accepting connections is paused"
                        );
                    }
                    is_paused = true;
                    try_again = Instant::now() + PAUSE;
                }
            },
        }
    }
    for (stream, peer) in listener.into_waiting() {
        connections.seat(stream, peer);
    }
    connections.finish(&stop.cut).await
}

async fn accept<A: Acceptor>(
    listener: &mut A,
    not_before: Option<Instant>,
) -> io::Result<(A::Stream, Option<IpAddr>)> {
    if let Some(not_before) = not_before {
        sleep_until(not_before).await;
    }
    poll_fn(|cx| listener.poll_accept(cx)).await
}

/// Whether an error concerns the one connection that was about to be accepted
/// (accept(2) passes on what happened on the network), and the next may work.
fn is_of_one_connection(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    let network = [
        Errno::CONNABORTED,
        Errno::NETDOWN,
        Errno::PROTO,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::PERM,
        Errno::INTR,
    ];
    match Errno::from_io_error(error) {
        Some(errno) => !exhausted.contains(&errno) && network.contains(&errno),
        None => false,
    }
}

struct Connections {
    front: Arc<Front>,
    stop: CancellationToken,
    roster: Roster,
    busy: Bytes,
    /// When that was prepared.
    busy_since: Instant,
}

impl Connections {
    fn new(front: Arc<Front>, stop: CancellationToken) -> Self {
        Self {
            front,
            stop,
            roster: Roster::default(),
            busy: Bytes::new(),
            busy_since: Instant::now(),
        }
    }

    fn seat<T: Transport>(&mut self, stream: T, peer: Option<IpAddr>) {
        // Seats that were left in the meantime are free.
        while let Some(gone) = self.roster.try_next_gone() {
            self.left(&gone);
        }
        let meters = &self.front.meters;
        let seat = self.roster.enter(self.front.max_connections());
        let refused = match seat {
            Some(Seat::Full) => None,
            Some(Seat::Reserve) => Some(&meters.rejected_reserve),
            Some(Seat::Overflow) => Some(&meters.rejected_overflow),
            None => Some(&meters.rejected_dropped),
        };
        if let Some(refused) = refused {
            refused.inc();
        }
        let Some(seat) = seat else { return };
        let activity = Arc::new(Activity::new(self.front.head()));
        match seat {
            Seat::Overflow => {
                let busy = self.busy();
                let refusing = async move { connection::refuse(stream, &busy).await };
                self.roster.seat(seat, activity, refusing);
            }
            Seat::Full | Seat::Reserve => {
                let service = ConnectionService {
                    front: self.front.clone(),
                    activity: activity.clone(),
                    peer,
                    seat,
                };
                let deadlines = match seat {
                    Seat::Full => self.front.deadlines(),
                    _ => RESERVE_DEADLINES,
                };
                let (serving, stop) = (activity.clone(), self.stop.clone());
                self.roster.seat(seat, activity, async move {
                    let ended = connection::serve(stream, serving, service, deadlines, stop).await;
                    tracing::trace!(?ended, "connection ended");
                });
            }
        }
        self.count();
    }

    /// Prepared anew when the last one is in nobody's hands any more or is a
    /// second old, so that a crowd shares one, each crowd gets its own time to
    /// come back, and the date is right.
    fn busy(&mut self) -> Bytes {
        let is_old = self.busy_since.elapsed() >= Duration::from_secs(1);
        if is_old || self.busy.is_empty() || self.busy.is_unique() {
            self.busy = error::raw(StatusCode::SERVICE_UNAVAILABLE, "too many connections");
            self.busy_since = Instant::now();
        }
        self.busy.clone()
    }

    fn left(&mut self, gone: &Gone) {
        self.count();
        // A handler's panic is caught; this one came from a streamed body.
        if gone.panicked
            && let Some(exchange) = gone.activity.exchange()
        {
            exchange.log_failed("panic", None, None);
        }
    }

    fn count(&self) {
        let served = i64::try_from(self.roster.served()).unwrap_or(i64::MAX);
        self.front.meters.connections.set(served);
    }

    async fn finish(mut self, cut: &CancellationToken) -> Outcome {
        loop {
            tokio::select! {
                biased;
                gone = self.roster.next_gone() => match gone {
                    Some(gone) => self.left(&gone),
                    None => return Outcome::default(),
                },
                () = cut.cancelled() => break,
            }
        }
        let cut = self.roster.cut().await;
        self.count();
        let mut cut: Vec<_> = cut.iter().map(|activity| request(activity)).collect();
        cut.sort();
        Outcome { cut }
    }
}

/// The request that a connection was last busy with.
fn request(activity: &Activity) -> CutRequest {
    match activity.exchange() {
        Some(exchange) => CutRequest {
            method: exchange.method.to_string(),
            route: exchange.route().to_owned(),
        },
        // Only health answers leave no trace.
        None => CutRequest {
            method: "GET".to_owned(),
            route: "/health".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
