//! A probe that keeps its target's secrets, whatever the peer says.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};

use super::{Probe, Session};
use crate::config::Target;
use crate::dependency::{Failure, Observation};

/// Hides the secrets of `target` in every failure of `probe`.
#[derive(Debug)]
pub(super) struct Discreet<P> {
    pub(super) target: Arc<Target>,
    pub(super) probe: P,
}

impl<P: Probe> Probe for Discreet<P> {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        async move {
            let opened = self.probe.connect().await;
            let session = opened.map_err(|failure| failure.without(self.target.secrets()))?;
            Ok(Box::new(DiscreetSession {
                target: self.target.clone(),
                session,
            }) as Box<dyn Session>)
        }
        .boxed()
    }
}

struct DiscreetSession {
    target: Arc<Target>,
    session: Box<dyn Session>,
}

impl Session for DiscreetSession {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        let target = &self.target;
        let check = self.session.check();
        check
            .map_err(|failure| failure.without(target.secrets()))
            .boxed()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        self.session.lost()
    }
}
