//! People at work while a fault strikes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::bounds;
use super::case::Case;
use super::model::{self, Effect};
use super::observe::Figure;
use crate::support::Daemon;
use crate::support::caller::Caller;

/// How many work at once, and how long each one thinks between two requests.
const PEOPLE: usize = 2;
const THINKING: Duration = Duration::from_millis(100);

/// One request, and its end.
#[derive(Debug)]
struct Done {
    answer: Result<(u16, Option<u32>), String>,
    took: Duration,
    /// It began when the fault had been noticed and was still there.
    settled: bool,
}

/// A number of people who read the budget.
#[derive(Debug)]
pub(super) struct Load {
    people: JoinSet<()>,
    done: Arc<Mutex<Vec<Done>>>,
    settled: Arc<AtomicBool>,
}

impl Load {
    pub(super) fn start(daemon: &Daemon, path: &str) -> Self {
        let done = Arc::<Mutex<Vec<Done>>>::default();
        let settled = Arc::<AtomicBool>::default();
        let mut people = JoinSet::new();
        for _ in 0..PEOPLE {
            let caller = Caller::new(daemon, "viewer");
            people.spawn(work(caller, path.to_owned(), done.clone(), settled.clone()));
        }
        Self {
            people,
            done,
            settled,
        }
    }

    /// The fault was noticed, or is over.
    pub(super) fn settle(&self, settled: bool) {
        self.settled.store(settled, Ordering::SeqCst);
    }

    pub(super) fn count(&self) -> usize {
        self.done.lock().expect("nobody panicked").len()
    }

    /// Lets everybody finish, and holds all that they got against the model.
    pub(super) async fn finish(mut self, case: Case, effect: Effect) -> Figure {
        self.people.shutdown().await;
        let done = std::mem::take(&mut *self.done.lock().expect("nobody panicked"));
        for request in &done {
            let (code, retry) = match &request.answer {
                Ok(answer) => *answer,
                Err(error) => panic!("a request ended without an answer: {error}"),
            };
            let settled = request.settled;
            let (dependency, policy) = (case.dependency, case.policy);
            assert!(
                model::may_answer(dependency, policy, effect, settled, code),
                "{code} is no answer (the fault was noticed: {settled})"
            );
            if settled && code == 503 && policy == super::axes::Policy::Required {
                assert!(
                    retry.is_some_and(|seconds| (1..=5).contains(&seconds)),
                    "to be tried again after {retry:?}"
                );
            }
        }
        let slowest = done.iter().map(|request| request.took).max();
        Figure::new(
            "slowest request",
            slowest.unwrap_or_default(),
            bounds::request(),
        )
    }
}

async fn work(caller: Caller, path: String, done: Arc<Mutex<Vec<Done>>>, settled: Arc<AtomicBool>) {
    loop {
        let settled_at = || settled.load(Ordering::SeqCst);
        let before = settled_at();
        let began = Instant::now();
        let patience = bounds::request() + bounds::allowance();
        let answer = match timeout(patience, caller.try_send(Method::GET, &path, "")).await {
            Ok(Ok(response)) => {
                let retry = response.header("retry-after");
                let retry = retry.and_then(|text| text.parse().ok());
                Ok((response.code, retry))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("nothing within {patience:?}")),
        };
        done.lock().expect("nobody panicked").push(Done {
            answer,
            took: began.elapsed(),
            settled: before && settled_at(),
        });
        sleep(THINKING).await;
    }
}
