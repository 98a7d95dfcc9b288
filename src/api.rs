//! The budget API: paths under `/api/v1`, from a request to its answer.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use tokio::sync::Semaphore;

use crate::auth::Verifier;
use crate::cache::ReadThrough;
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

pub use documents::openapi;
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

/// The routes under `/api/v1`. [`openapi`] describes them.
pub fn routes(parts: Parts) -> Router {
    let exports = Arc::new(Semaphore::new((parts.pool_size / SHARE_OF_EXPORTS).max(1)));
    let api = Api(Arc::new(Shared { parts, exports }));
    let version = get(versions::read)
        .put(versions::change)
        .delete(versions::delete);
    Router::new()
        .route(
            "/budget-versions",
            get(versions::list).post(versions::create),
        )
        .route("/budget-versions/{id}", version)
        .route("/budget-versions/{id}/submit", put(versions::submit))
        .route("/budget-versions/{id}/approve", put(versions::approve))
        .route("/budget-versions/{id}/supersede", put(versions::supersede))
        .route("/budget-versions/{id}/clone", post(versions::clone))
        .route(
            "/budget-versions/{id}/lines",
            get(lines::list).post(lines::add),
        )
        .route(
            "/budget-versions/{id}/lines/{line_id}",
            put(lines::change).delete(lines::delete),
        )
        .route("/consolidation/{id}", get(views::consolidation))
        .route("/consolidation/{id}/summary", get(views::summary))
        .route(
            "/consolidation/{id}/statements/periods",
            get(views::periods),
        )
        .route(
            "/consolidation/{id}/statements/periods/{period}",
            get(views::period),
        )
        .route("/consolidation/{id}/statements/income", get(views::income))
        .route("/analysis/compare", get(views::compare))
        .layer(from_fn_with_state(api.clone(), access::admit))
        .layer(from_fn(access::report))
        .with_state(api)
}
