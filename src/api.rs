//! The budget API: paths under `/api/v1`, from a request to its answer.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Verifier;
use crate::cache::ReadThrough;
use crate::http::ApiRoutes;
use crate::limits::RateLimiter;
use crate::store::Store;

mod access;

mod rate;

mod path;

mod body;

mod once;

mod etag;

mod error;

mod versions;

mod lines;

mod views;

mod documents;

pub use views::ComputeError;

/// The cache of what is computed.
pub type Views = ReadThrough<ComputeError>;

/// Exports may hold one in so many of the pool's connections.
const SHARE_OF_EXPORTS: usize = 4;

/// What requests are answered with.
#[derive(Debug)]
pub struct Parts {
    pub store: Store,
    pub views: Views,
    pub verifier: Arc<Verifier>,
    pub limiter: RateLimiter,
    /// The size of the pool of connections, and how long one is waited for.
    pub pool_size: usize,
    pub pool_timeout: Duration,
}

/// What every handler is given.
#[derive(Debug, Clone)]
struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    /// Places for exports, which hold a connection for as long as they take.
    exports: Arc<Semaphore>,
}

impl Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The routes of the API, and their part of `/openapi.json`.
pub fn routes(parts: Parts) -> ApiRoutes {
    let exports = Arc::new(Semaphore::new((parts.pool_size / SHARE_OF_EXPORTS).max(1)));
    let api = Api(Arc::new(Shared { parts, exports }));
    let router = OpenApiRouter::new()
        .routes(routes!(versions::list, versions::create))
        .routes(routes!(versions::read, versions::change, versions::delete))
        .routes(routes!(versions::submit))
        .routes(routes!(versions::approve))
        .routes(routes!(versions::supersede))
        .routes(routes!(versions::clone))
        .routes(routes!(lines::list, lines::add))
        .routes(routes!(lines::change, lines::delete))
        .routes(routes!(views::consolidation))
        .routes(routes!(views::summary))
        .routes(routes!(views::periods))
        .routes(routes!(views::period))
        .routes(routes!(views::income))
        .routes(routes!(views::compare));
    // Clients see the paths with their prefix, the listener's router adds it.
    let mut documents = OpenApiRouter::new()
        .nest("/api/v1", router.clone())
        .into_openapi();
    documents::complete(&mut documents);
    let (v1, _) = router.split_for_parts();
    let v1 = v1
        .layer(from_fn_with_state(api.clone(), access::admit))
        .layer(from_fn(access::report))
        .with_state(api);
    ApiRoutes {
        v1,
        documents: Some(documents),
    }
}
