//! One check of a healthy dependency: order, answer, state, snapshot and the
//! rendered document. Time is paused, so that it takes none to wait for the
//! next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use budgetd::config::{Sources, load};
use budgetd::dependency::{Failure, Observation};
use budgetd::graph::Graph;
use budgetd::http::health::render;
use budgetd::probe::{Probe, Session};
use budgetd::supervisor::Supervisor;

pub(crate) fn walk(times: u32) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("the system provides a runtime");
    runtime.block_on(async {
        let config = load(&Sources::default())
            .expect("defaults are valid")
            .config;
        let graph = Graph::build(&config.dependencies).expect("defaults are legal");
        let healthy = Healthy(Arc::new(Count {
            left: AtomicU32::new(times),
            done: CancellationToken::new(),
        }));
        let done = healthy.0.done.clone();
        let probes = Arc::new(move |_: &_, _: &_| Arc::new(healthy.clone()) as Arc<dyn Probe>);
        let (supervisor, _handle, _reader) =
            Supervisor::new(config.dependencies, &graph, probes, render);
        let ended = supervisor.run(done).await;
        ended.expect("nothing is wrong");
    });
}

#[derive(Debug)]
struct Count {
    left: AtomicU32,
    done: CancellationToken,
}

/// Answers at once.
#[derive(Debug, Clone)]
struct Healthy(Arc<Count>);

impl Probe for Healthy {
    fn connect(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Failure>> {
        std::future::ready(Ok(Box::new(self.clone()) as Box<dyn Session>)).boxed()
    }
}

impl Session for Healthy {
    fn check(&mut self) -> BoxFuture<'_, Result<Observation, Failure>> {
        if self.0.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.done.cancel();
        }
        std::future::ready(Ok(Observation::default())).boxed()
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        std::future::pending().boxed()
    }
}
