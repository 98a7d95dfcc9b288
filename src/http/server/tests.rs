use std::collections::VecDeque;
use std::task::{Context, Poll};

use tokio::io::{DuplexStream, duplex};

use super::acceptor::sealed;
use super::*;
use crate::http::tests::support::{Builder, Client};

/// Gives what its script says, then nothing.
struct Scripted(VecDeque<io::Result<DuplexStream>>);

impl sealed::Accept for Scripted {
    type Stream = DuplexStream;

    fn poll_accept(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<(DuplexStream, Option<IpAddr>)>> {
        match self.0.pop_front() {
            Some(next) => Poll::Ready(next.map(|stream| (stream, None))),
            None => Poll::Pending,
        }
    }

    fn into_waiting(self) -> Vec<(DuplexStream, Option<IpAddr>)> {
        Vec::new()
    }
}

fn failure(errno: Errno) -> io::Result<DuplexStream> {
    Err(errno.into())
}

#[tokio::test(start_paused = true)]
async fn accepting_pauses_while_files_run_out_and_goes_on_by_itself() {
    let (first, ours) = duplex(4096);
    let (second, theirs) = duplex(4096);
    let listener = Scripted(VecDeque::from([
        failure(Errno::CONNABORTED),
        Ok(ours),
        failure(Errno::MFILE),
        failure(Errno::NFILE),
        failure(Errno::NOBUFS),
        Ok(theirs),
    ]));
    let began = Instant::now();
    let stop = Stop::default();
    let (front, _keep) = Builder::default().front();
    let serving = serve(listener, front, stop.clone());
    let clients = async {
        let mut first = Client::new(first);
        assert_eq!(first.get("/health").await.status, 200);
        assert_eq!(began.elapsed(), Duration::ZERO);
        let mut second = Client::new(second);
        assert_eq!(second.get("/health").await.status, 200);
        assert_eq!(began.elapsed().as_millis(), 300, "three pauses");
        stop.accepting.cancel();
    };
    let (outcome, ()) = tokio::join!(serving, clients);
    assert_eq!(outcome.cut, []);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_shortens_the_pause() {
    let (first, ours) = duplex(4096);
    let (second, theirs) = duplex(4096);
    let listener = Scripted(VecDeque::from([
        Ok(ours),
        failure(Errno::MFILE),
        Ok(theirs),
    ]));
    let began = Instant::now();
    let stop = Stop::default();
    let (front, _keep) = Builder::default().front();
    let serving = serve(listener, front, stop.clone());
    let clients = async {
        drop(first);
        assert_eq!(Client::new(second).get("/health").await.status, 200);
        assert_eq!(began.elapsed(), Duration::ZERO);
        stop.accepting.cancel();
    };
    tokio::join!(serving, clients);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_shares_a_refusal_for_a_second() {
    let (front, _keep) = Builder::default().front();
    let mut connections = Connections::new(front, CancellationToken::new());
    let first = connections.busy();
    assert_eq!(connections.busy(), first);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_ne!(connections.busy(), first, "its date would be wrong");
}
