//! The future that moves a connection's bytes, owned by whoever uses it.

use std::fmt;
use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};

use crate::dependency::Failure;

/// A client library's connection future and, once it has ended, why.
///
/// It only moves while the session is used: in a check, or while someone waits
/// for the loss of it. So there is no task to watch, and dropping the session
/// closes the socket.
pub struct Driver {
    state: State,
}

enum State {
    Running(BoxFuture<'static, Failure>),
    Ended(Failure),
}

impl Driver {
    /// `connection` resolves when the connection has ended, with the reason.
    pub(super) fn new(connection: impl Future<Output = Failure> + Send + 'static) -> Self {
        Self {
            state: State::Running(Box::pin(connection)),
        }
    }

    /// Why the connection ended, if it has.
    pub fn end(&self) -> Option<&Failure> {
        match &self.state {
            State::Running(_) => None,
            State::Ended(failure) => Some(failure),
        }
    }

    /// Waits until the connection has ended.
    pub async fn ended(&mut self) -> &Failure {
        if let State::Running(connection) = &mut self.state {
            let failure = connection.await;
            self.state = State::Ended(failure);
        }
        match &self.state {
            State::Ended(failure) => failure,
            State::Running(_) => unreachable!("the connection has just ended"),
        }
    }

    /// Drives the connection until `work` over it is done, or until it ends
    /// without having answered.
    pub async fn run<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        if let Some(failure) = self.end() {
            return Err(failure.clone());
        }
        let mut work = pin!(work);
        let end = {
            let ended = pin!(self.ended());
            match select(work.as_mut(), ended).await {
                Either::Left((done, _)) => return Ok(done),
                Either::Right((failure, _)) => failure.clone(),
            }
        };
        // The answer may have come with the last bytes before the end.
        work.now_or_never().ok_or(end)
    }

    /// Lets the connection write what it has to say, without waiting.
    pub fn nudge(&mut self) {
        if let State::Running(connection) = &mut self.state
            && let Some(failure) = connection.now_or_never()
        {
            self.state = State::Ended(failure);
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("end", &self.end()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::ErrorKind;

    fn gone() -> Failure {
        Failure::new(ErrorKind::Closed, "gone")
    }

    #[tokio::test]
    async fn an_answer_that_comes_with_the_end_counts() {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let mut driver = Driver::new(async move {
            answer.send(7).unwrap();
            gone()
        });
        assert_eq!(driver.run(answered).await, Ok(Ok(7)));
        assert_eq!(driver.end(), Some(&gone()));
    }

    #[tokio::test]
    async fn an_end_without_an_answer_is_the_failure_and_stays_it() {
        let mut driver = Driver::new(async { gone() });
        for _ in 0..2 {
            assert_eq!(driver.run(std::future::pending::<()>()).await, Err(gone()));
        }
        assert_eq!(driver.ended().await, &gone());
        assert_eq!(driver.run(async { 7 }).await, Err(gone()), "not even asked");
    }

    #[tokio::test]
    async fn a_wait_that_was_dropped_can_be_taken_up_again() {
        let (end, ends) = tokio::sync::oneshot::channel::<()>();
        let mut driver = Driver::new(async move {
            ends.await.unwrap();
            gone()
        });
        assert!(driver.ended().now_or_never().is_none());
        assert_eq!(driver.run(async { 7 }).await, Ok(7));
        end.send(()).unwrap();
        assert_eq!(driver.ended().await, &gone());
    }
}
