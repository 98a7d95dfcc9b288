//! The way out: drain, stop, close, in this order and each within its bound.

use std::time::Duration;

use tokio::time::Instant;

use super::manager::{Leaving, Stage};
use super::{Daemon, End, Reason, lines, within};
use crate::shutdown::Phase;
use crate::signals::Signal;

/// How long the supervisor, and after it each client, may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long connections that were told to end may take to be gone.
const CUT_TIMEOUT: Duration = Duration::from_secs(1);
/// All that follows the requests in flight, each part at its bound: cutting
/// connections, the supervisor, what is computed for nobody, Redis, the pool,
/// and the schema's tasks, which only have to hear that they are cancelled.
const CLOSING: Duration = Duration::from_secs(10);

impl Daemon<'_> {
    /// Says that shutdown has begun, everywhere at once.
    pub(super) fn announce_stop(&mut self, reason: &Reason, why: &str) {
        let signal = match reason {
            Reason::Signal(signal) => Some(*signal),
            Reason::End(error) => {
                lines::fatal(&error.to_string());
                None
            }
        };
        self.served = self.gate.phase() == Phase::Serving;
        let now = Instant::now();
        let stage = if self.served {
            let drain_timeout = self.config.load().lifecycle.drain_timeout;
            let until = now + self.drain_delay(reason);
            Leaving::Draining(until).with_end(until + drain_timeout + CLOSING)
        } else {
            Leaving::Closing.with_end(now + CLOSING)
        };
        self.manager.enter(stage);
        self.gate.drain();
        lines::shutdown_begin(why, signal);
    }

    /// An impatient person, and a broken daemon, wait for no balancer.
    fn drain_delay(&self, reason: &Reason) -> Duration {
        match reason {
            Reason::Signal(Signal::Terminate) | Reason::End(End::RequiredLost(_)) => {
                self.config.load().lifecycle.drain_delay
            }
            Reason::Signal(_) | Reason::End(_) => Duration::ZERO,
        }
    }

    /// Leaves without losing a request.
    pub(super) async fn leave(&mut self, reason: &Reason) {
        let began = Instant::now();
        if self.served {
            self.drain(reason).await;
        }
        self.manager
            .enter(Leaving::Closing.with_end(Instant::now() + CLOSING));
        self.stop_supervisor.cancel();
        let ended = async { while self.supervising.join_next().await.is_some() {} };
        if within(CLOSE_TIMEOUT, ended).await.is_none() {
            self.supervising.shutdown().await;
        }
        self.schema.close().await;
        self.clients.close(CLOSE_TIMEOUT).await;
        self.gate.stopped();
        self.listeners.close_admin().await;
        let last_words = match reason {
            Reason::Signal(signal) => format!("stopped by {}", signal.as_str()),
            Reason::End(end) => end.to_string(),
        };
        self.manager.enter(Stage::Stopped(last_words));
        let _ = within(CLOSE_TIMEOUT, self.manager.close()).await;
        lines::shutdown_complete(began.elapsed());
    }

    async fn drain(&mut self, reason: &Reason) {
        let began = Instant::now();
        let limit = self.config.load().lifecycle.drain_timeout;
        let delay = self.drain_delay(reason);
        lines::drain_begin(delay, limit);
        self.listeners.draining(delay + limit);
        tokio::time::sleep(delay).await;
        let until = Instant::now() + limit;
        self.manager
            .enter(Leaving::Finishing(until).with_end(until + CLOSING));
        self.listeners.stop_accepting();
        lines::listener_closed(&self.listeners.addresses().api);
        let cut = match within(limit, self.listeners.ended()).await {
            Some(_) => 0,
            None => self.cut(limit).await,
        };
        lines::drain_complete(began.elapsed(), cut);
    }
    /// Ends what did not end in time; answers with how many requests it was.
    async fn cut(&mut self, limit: Duration) -> usize {
        self.listeners.cut();
        let outcome = within(CUT_TIMEOUT, self.listeners.ended()).await;
        let requests = outcome.unwrap_or_default().cut;
        let held_by: Vec<String> = requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.route))
            .collect();
        if !requests.is_empty() {
            lines::drain_timeout_exceeded(requests.len(), &held_by.join(", "), limit);
        }
        requests.len()
    }
}
