//! The task that keeps a connection open for requests.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::bypass::Bypass;
use super::link::Link;
use super::{Settings, late};
use crate::backoff::full_jitter;
use crate::cache::{Hint, Meters};
use crate::config::{RedisTarget, Secret};
use crate::dependency::{CACHE, Failure, Name};
use crate::health::Reader;
use crate::net;
use crate::probe::redis::open;

/// A connection that ends sooner is no accident.
const LASTING: Duration = Duration::from_secs(1);

/// What requests may do.
#[derive(Debug, Clone)]
pub(super) enum State {
    Open(Arc<Link>),
    /// Redis is well, and a connection is being made.
    Opening,
    Bypassed,
}

/// How a connection's time ended.
enum End {
    Lost,
    Unwanted,
}

/// The only writer of the [`State`].
pub(super) struct Keeper {
    health: Reader,
    settings: watch::Receiver<Settings>,
    state: watch::Sender<State>,
    hint: Hint,
    meters: Meters,
    cache: Name,
    closing: CancellationToken,
    /// The connection's driver; it ends with the connection.
    drivers: JoinSet<()>,
    /// Nobody tells of health any more, or nobody is left to ask.
    alone: bool,
    bypass: Bypass,
    /// Connections in a row that could not be made or did not last.
    failures: u32,
    rng: SmallRng,
}

impl Keeper {
    pub(super) fn new(
        health: Reader,
        settings: watch::Receiver<Settings>,
        state: watch::Sender<State>,
        hint: Hint,
        meters: Meters,
        closing: CancellationToken,
    ) -> Self {
        Self {
            health,
            settings,
            state,
            hint,
            meters,
            cache: CACHE.parse().expect("a built-in name is legal"),
            closing,
            drivers: JoinSet::new(),
            alone: false,
            bypass: Bypass::default(),
            failures: 0,
            rng: SmallRng::from_rng(&mut rand::rng()),
        }
    }

    /// Runs until it is told to close, or nobody is left to be told of health
    /// or to ask.
    pub(super) async fn run(mut self) {
        let closing = self.closing.clone();
        closing.run_until_cancelled(self.work()).await;
        self.publish(State::Bypassed);
        self.drivers.shutdown().await;
    }

    async fn work(&mut self) {
        while let Some(target) = self.target().await {
            self.publish(State::Opening);
            match self.open(&target).await {
                Ok(link) => self.hold(&link, &target).await,
                Err(failure) => {
                    self.failures += 1;
                    let password = target.password.iter().map(Secret::expose);
                    self.fault(&failure.without(password));
                }
            }
            self.pause().await;
        }
    }

    /// Waits until Redis may be asked; answers with where it is.
    async fn target(&mut self) -> Option<RedisTarget> {
        while !self.alone {
            let target = self.settings.borrow_and_update().target.clone();
            if let Some(target) = target.filter(|_| self.may_ask()) {
                return Some(target);
            }
            self.publish(State::Bypassed);
            self.changed().await;
        }
        None
    }

    /// Waits for news of health or settings.
    async fn changed(&mut self) {
        let ended = tokio::select! {
            changed = self.health.changed() => changed.is_err(),
            changed = self.settings.changed() => changed.is_err(),
        };
        self.alone |= ended;
    }

    fn may_ask(&mut self) -> bool {
        let published = self.health.current();
        let health = published.snapshot.dependencies.get(CACHE);
        self.bypass.may_ask(health.map(AsRef::as_ref))
    }

    async fn open(&mut self, target: &RedisTarget) -> Result<Arc<Link>, Failure> {
        let limit = self.settings.borrow().connect_timeout;
        let opened = timeout(limit, open(target)).await;
        let (connection, driver) = opened.unwrap_or_else(|_| Err(late(limit)))?;
        let link = Arc::new(Link::new(connection, target));
        self.drivers.spawn(link.drive(driver));
        Ok(link)
    }

    /// Lends a connection to requests until it has ended or should.
    async fn hold(&mut self, link: &Arc<Link>, target: &RedisTarget) {
        self.publish(State::Open(link.clone()));
        let end = tokio::select! {
            biased;
            () = link.ended() => End::Lost,
            () = self.unwanted(target) => End::Unwanted,
        };
        let lasted = link.opened().elapsed() >= LASTING;
        self.failures = if lasted { 0 } else { self.failures + 1 };
        match (link.fault(), end) {
            (Some(failure), _) => self.fault(failure),
            // Servers and proxies close what is idle. One that closes what it
            // has just accepted does not do its work.
            (None, End::Lost) if !lasted => self.fault(&net::closed()),
            (None, End::Lost) => self.publish(State::Opening),
            (None, End::Unwanted) => {
                self.failures = 0;
                self.publish(State::Bypassed);
            }
        }
        link.close();
        while self.drivers.join_next().await.is_some() {}
    }

    /// Waits until Redis stands somewhere else or is not well.
    async fn unwanted(&mut self, target: &RedisTarget) {
        while !self.alone {
            if self.settings.borrow_and_update().target.as_ref() != Some(target) {
                // What is known of the other one is no news of this.
                self.bypass.forget();
                return;
            }
            if !self.may_ask() {
                return;
            }
            self.changed().await;
        }
    }

    /// Redis failed a request or its connection.
    fn fault(&mut self, failure: &Failure) {
        let published = self.health.current();
        let known = published.snapshot.dependencies.get(CACHE);
        self.bypass.fault(known.map(AsRef::as_ref));
        self.publish(State::Bypassed);
        self.meters.fault(failure.kind);
        (self.hint)(&self.cache);
    }

    /// Checks may pass while requests fail, so a passed check alone must not
    /// set the pace.
    async fn pause(&mut self) {
        let Some(doublings) = self.failures.checked_sub(2) else {
            return;
        };
        self.publish(State::Bypassed);
        let (base, cap) = {
            let settings = self.settings.borrow();
            (settings.fast_interval, settings.max_backoff)
        };
        let delay = full_jitter(base, doublings, cap, &mut self.rng);
        tokio::select! {
            () = sleep(delay) => {}
            _ = self.settings.changed() => {}
        }
    }

    fn publish(&self, state: State) {
        self.meters.bypassed(!matches!(state, State::Open(_)));
        self.state.send_replace(state);
    }
}
