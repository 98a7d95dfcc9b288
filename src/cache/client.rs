//! Redis on the path of requests: asked under a deadline, or not at all.
//!
//! One task keeps a connection open while Redis is known to be well. Requests
//! share it and never open one. The first operation that Redis fails ends the
//! connection for all of them, and Redis is bypassed until a check that ended
//! later has passed. So an outage costs requests one deadline at most, and only
//! those that were waiting when it began.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Hint, Meters};
use crate::config::{Config, RedisTarget, Target};
use crate::dependency::{CACHE, ErrorKind, Failure};
use crate::health::Reader;

mod bypass;

mod keeper;

mod link;

mod verdict;

use keeper::{Keeper, State};
use link::Link;
use verdict::Verdict;

/// Asks Redis. Cloning it shares the connection.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    /// The keeper ends when this is dropped.
    settings: watch::Sender<Settings>,
    state: watch::Receiver<State>,
    meters: Meters,
    closing: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    /// `None`: there is no Redis, or it is not to be used.
    target: Option<RedisTarget>,
    connect_timeout: Duration,
    fast_interval: Duration,
    max_backoff: Duration,
    /// Of a whole operation, retries included.
    timeout: Duration,
    retries: u32,
}

impl Settings {
    fn of(config: &Config) -> Self {
        let dependency = config.dependency(CACHE);
        let watched = dependency.filter(|dependency| dependency.is_watched());
        let target = match watched.and_then(|dependency| dependency.target.as_ref()) {
            Some(Target::Redis(target)) => Some(target.clone()),
            _ => None,
        };
        let checks = dependency.map(|dependency| dependency.checks.clone());
        let checks = checks.unwrap_or_default();
        Self {
            target,
            connect_timeout: checks.connect_timeout,
            fast_interval: checks.fast_interval,
            max_backoff: checks.max_backoff,
            timeout: config.cache.timeout,
            retries: config.cache.retries,
        }
    }
}

/// What Redis is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Get,
    Set,
    Script,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Redis is off, down or has failed another request: it was not waited for.
    #[error("Redis is bypassed until a check of it has passed")]
    Bypassed,
    /// Redis refused, or failed, this operation.
    #[error("cannot ask Redis: {0}")]
    Failed(Failure),
}

impl Client {
    /// A client for the cache of `config`, which connects once `health` says
    /// that it is up. It must be made inside a runtime.
    ///
    /// `hint` is called whenever Redis has failed a request.
    pub fn new(config: &Config, health: Reader, hint: Hint) -> Self {
        let (settings, current) = watch::channel(Settings::of(config));
        let (publish, state) = watch::channel(State::Bypassed);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let meters = Meters::new();
        let keeper = Keeper::new(
            health,
            current,
            publish,
            hint,
            meters.clone(),
            closing.clone(),
        );
        tasks.spawn(keeper.run());
        Self {
            shared: Arc::new(Shared {
                settings,
                state,
                meters,
                closing,
                tasks,
            }),
        }
    }

    /// Takes over a reloaded configuration. Another address means another
    /// connection; other deadlines hold from the next operation on.
    pub fn reconfigure(&self, config: &Config) {
        let new = Settings::of(config);
        self.shared.settings.send_if_modified(|settings| {
            let changed = *settings != new;
            *settings = new;
            changed
        });
    }

    /// Closes the connection. Whatever is asked from now on is bypassed.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    pub fn meters(&self) -> &Meters {
        &self.shared.meters
    }

    /// Whether an operation would be bypassed now.
    pub fn is_bypassed(&self) -> bool {
        !matches!(*self.shared.state.borrow(), State::Open(_))
    }

    /// The value of a key, if it has one.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Unanswered> {
        let mut get = redis::cmd("GET");
        get.arg(key);
        self.command(Operation::Get, &get).await
    }

    /// Gives a key a value that expires after `ttl`.
    pub async fn set(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), Unanswered> {
        // Redis refuses an expiry of nothing.
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut set = redis::cmd("SET");
        set.arg(key).arg(value).arg("PX").arg(millis);
        self.command(Operation::Set, &set).await
    }

    /// Runs a script, once: a connection that breaks may have broken after the
    /// script has run, and what a script does is not known here.
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Unanswered> {
        self.run(
            Operation::Script,
            Repeat::Never,
            |mut connection| async move { script.invoke_async(&mut connection).await },
        )
        .await
    }

    /// Sends a command that may be done twice.
    async fn command<T: FromRedisValue>(
        &self,
        operation: Operation,
        command: &Cmd,
    ) -> Result<T, Unanswered> {
        self.run(operation, Repeat::Harmless, |mut connection| async move {
            command.query_async(&mut connection).await
        })
        .await
    }

    async fn run<T, F: Future<Output = RedisResult<T>>>(
        &self,
        operation: Operation,
        repeat: Repeat,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, Unanswered> {
        let began = Instant::now();
        let answer = self.ask(began, repeat, ask).await;
        let unanswered = answer.as_ref().err();
        self.shared
            .meters
            .operation(operation, began.elapsed(), unanswered);
        answer
    }

    async fn ask<T, F: Future<Output = RedisResult<T>>>(
        &self,
        began: Instant,
        repeat: Repeat,
        ask: impl Fn(MultiplexedConnection) -> F,
    ) -> Result<T, Unanswered> {
        let (limit, mut retries) = {
            let settings = self.shared.settings.borrow();
            (settings.timeout, settings.retries)
        };
        if repeat == Repeat::Never {
            retries = 0;
        }
        let deadline = began + limit;
        let mut state = self.shared.state.clone();
        let mut link = match &*state.borrow_and_update() {
            State::Open(link) => link.clone(),
            // Nobody waits for a connection that is only being made.
            State::Opening | State::Bypassed => return Err(Unanswered::Bypassed),
        };
        loop {
            let verdict = match timeout_at(deadline, link.ask(&ask)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(verdict)) => verdict,
                Err(_) => Verdict::Unusable(late(limit)),
            };
            match verdict {
                Verdict::Refused(failure) => return Err(Unanswered::Failed(failure)),
                Verdict::Overtaken => return Err(Unanswered::Bypassed),
                Verdict::Broken(_) if retries > 0 => retries -= 1,
                Verdict::Broken(failure) | Verdict::Unusable(failure) => {
                    return Err(link.fail(failure));
                }
            }
            link = match timeout_at(deadline, next_link(&mut state, &link)).await {
                Ok(Some(next)) => next,
                Ok(None) => return Err(Unanswered::Bypassed),
                Err(_) => return Err(Unanswered::Failed(late(limit))),
            };
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// Whether an operation may be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Harmless,
    Never,
}

/// The connection after `link`, or `None` when there is to be none.
async fn next_link(state: &mut watch::Receiver<State>, link: &Arc<Link>) -> Option<Arc<Link>> {
    let settled = state.wait_for(|state| match state {
        State::Open(next) => !Arc::ptr_eq(next, link),
        State::Opening => false,
        State::Bypassed => true,
    });
    match &*settled.await.ok()? {
        State::Open(next) => Some(next.clone()),
        State::Opening | State::Bypassed => None,
    }
}

fn late(limit: Duration) -> Failure {
    let limit = humantime::format_duration(limit);
    Failure::new(
        ErrorKind::Timeout,
        format!("timeout: an answer took longer than {limit}"),
    )
}
